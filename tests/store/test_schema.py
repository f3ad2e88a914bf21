"""The migrations make exactly the tables that the code uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, delete, insert, select

import bridge
from bridge.database import Database
from bridge.store.records import read_known
from bridge.tables import delivery, metadata, mirror

TABLES = (delivery.events, mirror.mirror)  # importing them fills the metadata


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrations_and_tables_agree(database: Database) -> None:
    """Columns and indexes alike, on both databases."""
    async with database.write() as connection:
        assert await connection.run_sync(_differences) == []


def _migrate(connection: Connection, revision: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(bridge.__file__).parent / "migrations"))
    (command.upgrade if revision == "head" else command.downgrade)(config, revision)


def _insert_as_of_0001(connection: Connection, moment: datetime) -> None:
    """A booking whose three levels changed 3, 2 and 1 times, and its host."""
    marks: dict[str, object] = {}
    for number, level in enumerate(("busy", "title", "full")):
        marks |= {f"{level}_sequence": number + 1, f"{level}_at": moment + timedelta(hours=number)}
    row: dict[str, object] = {
        "uid": "u1",
        "type_id": "t1",
        "live": True,
        "shown": True,
        "digest": "",
        "read_at": moment,
    }
    row |= {"state": "{}", "start": moment, "first_seen": moment, "closed_at": None, "revision": 1}
    connection.execute(insert(mirror.bookings).values(**row, **marks))
    hosts = Table("booking_hosts", MetaData(), autoload_with=connection)
    connection.execute(insert(hosts), [{"host_id": "h1", "uid": "u1"}, {"host_id": "h1", "uid": "erased"}])


async def test_an_upgrade_changes_no_sequence(database: Database) -> None:
    """A host's own feed goes on with the marks that it had in common with the others until 0001."""
    moment = datetime(2026, 7, 1, 9, tzinfo=UTC)
    async with database.write() as connection:
        await connection.run_sync(_migrate, "0001")
        await connection.run_sync(_insert_as_of_0001, moment)
        await connection.run_sync(_migrate, "head")
        columns = [column.name for column in mirror.booking_hosts.columns if column.name != "host_id"]
        own = (await connection.execute(select(*(mirror.booking_hosts.c[name] for name in columns)))).all()
        team = (await connection.execute(select(*(mirror.bookings.c[name] for name in columns)))).all()
        assert await connection.run_sync(_differences) == []
        before = await read_known(connection, ["u1"])
        await connection.execute(delete(mirror.booking_hosts))
        await connection.execute(insert(mirror.booking_hosts).values(host_id="h1", uid="u1"))
        assert await read_known(connection, ["u1"]) == before  # as written by a replica of 0001
    assert own == team
    assert (own[0].full_sequence, own[0].full_at) == (3, moment + timedelta(hours=2))
