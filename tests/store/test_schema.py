"""The migrations make exactly the tables that the code uses."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from bridge.database import Database
from bridge.tables import delivery, metadata, mirror

TABLES = (delivery.events, mirror.mirror)  # importing them fills the metadata


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrations_and_tables_agree(database: Database) -> None:
    """Columns and indexes alike, on both databases."""
    async with database.write() as connection:
        assert await connection.run_sync(_differences) == []
