"""A PostgreSQL of the tests' own, on a free port, with the server programs that the system has."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg


def programs() -> Path | None:
    """The folder with PostgreSQL's server programs, None when there is none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Server:
    """A running server; `stop` and `start` play an outage."""

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        self.folder, self._binaries, self._user = folder, binaries, user
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self._binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        options = ["-k", str(self.folder), "-h", "127.0.0.1", "-F", "-c", "max_connections=200"]
        options += ["-c", "max_wal_size=128MB"]  # it may lie in memory
        self._process = subprocess.Popen(
            [*map(str, command), *options], user=self._user, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self._answers():
                    return
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL did not start")

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def stop(self) -> None:
        """At once, as when the machine dies."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown
            self._process.wait(20)
            self._process = None

    def execute(self, statement: str) -> None:
        asyncio.run(_execute(self.url("postgres"), statement))

    def url(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def new_database(self, template: str = "template1") -> str:
        """The address of a fresh database."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@contextmanager
def running() -> Iterator[Server]:
    """A server in a temporary folder. PostgreSQL refuses to run as root, so root lends it a user."""
    binaries = programs()
    assert binaries is not None
    user = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    if user:
        shutil.chown(folder, user)
    initdb = [binaries / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres"]
    options = ["--no-sync", "-E", "UTF8", "--locale", "C"]
    subprocess.run(
        [*map(str, initdb), *options], check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder
    )
    server = Server(folder, binaries, user)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=2)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
