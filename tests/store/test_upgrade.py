"""A later version's migrations on a database with something in it: kept, whole or not at all, once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from bridge.database import Database, open_database, upgrade
from tests.store.conftest import Line

LATER = """
import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

revision = "9999"
down_revision = {before!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("colour", sa.String(10), nullable=False, server_default="blue"))
    op.create_index("ix_deliveries_colour", "deliveries", ["colour"])
    op.create_table("ran", sa.Column("times", sa.Integer))
    op.execute(text("INSERT INTO ran VALUES (1)"))
    {then}
"""
EVERYTHING = text("SELECT state, colour FROM deliveries")


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a version to come, in force: as yet without its own."""
    copy = tmp_path / "migrations"
    shutil.copytree(upgrade.folder(), copy)
    monkeypatch.setattr(upgrade, "folder", lambda: copy)
    return copy


def release(migrations: Path, then: str = "") -> None:
    """The later version comes, with a migration of its own."""
    file = migrations / "versions" / "9999_later.py"
    file.write_text(LATER.format(before=upgrade.wanted(), then=then))


async def revision(database: Database) -> str:
    async with database.read() as connection:
        return str(await connection.scalar(text("SELECT version_num FROM alembic_version")))


async def columns(database: Database) -> set[str]:
    async with database.read() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_columns("deliveries"))
    return {column["name"] for column in names}


async def test_what_waits_survives_an_upgrade(line: Line, database_url: str, migrations: Path) -> None:
    """An event routed and one not, before; both are delivered after."""
    first = await line.receive("created")
    await line.route()
    await line.receive("cancelled", seconds=1)
    release(migrations)
    later = await open_database(database_url)
    try:
        after = Line(later)
        await after.route()
        async with later.read() as connection:
            assert (await connection.execute(EVERYTHING)).all() == [("waiting", "blue")] * 2
        assert [delivery.event_id for delivery in await after.take()] == [first]
        assert await revision(later) == "9999"
    finally:
        await later.close()


async def test_replicas_that_start_together_migrate_once(
    database: Database, database_url: str, migrations: Path
) -> None:
    release(migrations)
    together = await asyncio.gather(*(open_database(database_url) for _ in range(4)))
    async with together[0].read() as connection:
        assert (await connection.scalars(text("SELECT times FROM ran"))).all() == [1]
    for each in together:
        await each.close()


async def test_a_migration_that_fails_changes_nothing(
    database: Database, database_url: str, migrations: Path
) -> None:
    before = await revision(database), await columns(database)
    release(migrations, then="raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        await open_database(database_url)
    assert (await revision(database), await columns(database)) == before


async def test_an_older_version_leaves_a_later_ones_tables_alone(
    database: Database, database_url: str, migrations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, with the place, the reason and the remedy; no password."""
    older = upgrade.wanted()
    release(migrations)
    await (await open_database(database_url)).close()
    monkeypatch.undo()
    with pytest.raises(upgrade.TooNew) as raised:
        await open_database(database_url)
    place = database_url.removeprefix("sqlite:///") if database.is_sqlite else "PostgreSQL at 127.0.0.1:"
    said = str(raised.value)
    assert said.startswith(f"BRIDGE_DATABASE_URL: {place}")
    assert said.endswith(
        f": the tables are at 9999, this version knows {older} at most: a later one has changed them;"
        " install that version again, or restore the backup made before it"
    )
    assert await revision(database) == "9999"
