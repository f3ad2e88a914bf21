"""A database that cannot be opened: one line with the setting, the place and the reason, no password."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.database import Unavailable, open_database
from tests import postgres

ENCRYPTED = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
ROLES = (
    "CREATE ROLE reader LOGIN",
    "CREATE ROLE keeper LOGIN PASSWORD 'swordfish'",
)


async def trouble(url: str) -> str:
    """What is said about a database that cannot be opened."""
    with pytest.raises(Unavailable) as raised:
        await open_database(url)
    assert "hunter2" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: Connection refused"),
        ("localhost:1", "localhost:1: Connection refused"),
        ("no-such-host.invalid", "no-such-host.invalid:5432: "),
    ],
)
async def test_a_server_that_cannot_be_reached(host: str, reason: str) -> None:
    said = await trouble(f"postgresql://me:hunter2@{host}/bridge")
    assert said.startswith(f"BRIDGE_DATABASE_URL: cannot reach PostgreSQL at {reason}")
    assert "Errno" not in said


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """A server of this module's own, with a certificate and a role that needs its password."""
    if postgres.programs() is None or shutil.which("openssl") is None:
        pytest.skip("PostgreSQL or openssl is not installed")
    with postgres.running() as made:
        for statement in ROLES:
            made.execute(statement)
        made.stop()
        _encrypt(made.folder / "data")
        made.start()
        yield made


def _encrypt(folder: Path) -> None:
    owner = (folder / "postgresql.conf").stat()
    key, certificate = folder / "server.key", folder / "server.crt"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *files]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    for file in (key, certificate):
        shutil.chown(file, owner.st_uid, owner.st_gid)
        file.chmod(0o600)
    with (folder / "postgresql.conf").open("a") as settings:
        settings.write("ssl = on\n")
    rules = (folder / "pg_hba.conf").read_text()
    (folder / "pg_hba.conf").write_text(f"host all keeper 127.0.0.1/32 scram-sha-256\n{rules}")


@pytest.mark.parametrize(
    ("user", "database", "reason"),
    [
        ("nobody", "postgres", 'role "nobody" does not exist'),
        ("postgres", "nowhere", 'database "nowhere" does not exist'),
        ("keeper:hunter2", "postgres", 'password authentication failed for user "keeper"'),
        ("reader", "postgres", "permission denied for schema public"),
    ],
)
async def test_a_server_that_refuses(server: postgres.Server, user: str, database: str, reason: str) -> None:
    said = await trouble(f"postgresql://{user}@127.0.0.1:{server.port}/{database}")
    assert said == f"BRIDGE_DATABASE_URL: PostgreSQL at 127.0.0.1:{server.port}: {reason}"


@pytest.mark.parametrize(
    ("options", "encrypted"),
    [
        ("", True),
        ("?sslmode=disable", False),
        ("?sslmode=prefer", True),
        ("?sslmode=require&application_name=bridge", True),
        ("?sslmode=verify-ca&sslrootcert=CA", True),
        ("?sslmode=verify-full&sslrootcert=CA", True),
    ],
)
async def test_sslmode_means_what_it_means_to_libpq(
    server: postgres.Server, options: str, encrypted: bool
) -> None:
    authority = options.replace("CA", str(server.folder / "data" / "server.crt"))
    url = server.url("postgres").replace("127.0.0.1", "localhost")
    opened = await open_database(url + authority, migrate=False)
    async with opened.read() as connection:
        assert await connection.scalar(ENCRYPTED) is encrypted
    await opened.close()


async def test_verify_full_checks_the_name(server: postgres.Server) -> None:
    options = f"?sslmode=verify-full&sslrootcert={server.folder / 'data' / 'server.crt'}"
    assert "certificate verify failed" in await trouble(server.url("postgres") + options)


async def test_encryption_that_is_required_and_not_there(postgres_server: postgres.Server) -> None:
    said = await trouble(await asyncio.to_thread(postgres_server.new_database) + "?sslmode=require")
    assert said.endswith("rejected SSL upgrade")


async def test_files_that_are_no_database(tmp_path: Path) -> None:
    """A folder that is not there, a folder in the file's place, and a file of another kind."""
    (tmp_path / "text").write_text("no database " * 100)
    said = [await trouble(f"sqlite:///{tmp_path / name}") for name in ("no/bridge.db", ".", "text")]
    assert said == [
        f"BRIDGE_DATABASE_URL: cannot use {tmp_path}/no/bridge.db: there is no folder {tmp_path}/no",
        f"BRIDGE_DATABASE_URL: cannot use {tmp_path}: unable to open database file",
        f"BRIDGE_DATABASE_URL: cannot use {tmp_path}/text: file is not a database",
    ]


async def test_one_file_belongs_to_one_service(tmp_path: Path) -> None:
    """A second one ends with the setting; commands may look meanwhile, and the next one may follow."""
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    service = await open_database(url, exclusive=True)
    with pytest.raises(Unavailable) as raised:
        await open_database(url, exclusive=True)
    used = f"another booking-bridge is using {tmp_path / 'bridge.db'}; several at once need PostgreSQL"
    assert str(raised.value) == f"BRIDGE_DATABASE_URL: {used}"
    await (await open_database(url)).close()
    await service.close()
    await (await open_database(url, exclusive=True)).close()
