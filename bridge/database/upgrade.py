"""Bringing a database's tables up to what this version uses, by the numbered files of `bridge/migrations`.

Knows no table. Replicas of the version before may be at work meanwhile: a migration adds, and takes away
only what that version does not use any more. What rewrites rows keeps them waiting for as long.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

_LOCK: Final = text(f"SELECT pg_advisory_xact_lock({0x626F6F6B})")  # a number that is ours alone
_DEADLOCK: Final = "40P01"
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds before another try."""


class TooNew(Exception):
    """A later version has changed the tables; `remedy` is what to do about it."""

    remedy: Final = "install that version again, or restore the backup made before it"


def folder() -> Path:
    """Where the migrations lie."""
    return Path(__file__).parents[1] / "migrations"


def wanted() -> str:
    """The revision of the tables that this version uses."""
    return ScriptDirectory(str(folder())).get_current_head() or ""


def found(connection: Connection) -> str:
    """The revision that the tables are at, "" when there are none. Raises TooNew for one not known here."""
    at = MigrationContext.configure(connection).get_current_revision() or ""
    known = {script.revision for script in ScriptDirectory(str(folder())).walk_revisions()}
    if at and at not in known:
        raise TooNew(
            f"the tables are at {at}, this version knows {wanted()} at most: a later one has changed them"
        )
    return at


async def upgrade(engine: AsyncEngine) -> None:
    """Run the migrations that are missing, all or none, one process at a time. Raises TooNew.

    SQLite's transaction keeps other processes out by itself; PostgreSQL's takes an advisory lock, since
    replicas start together.
    """
    for pause in (*_PAUSES, None):
        try:
            async with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execute(_LOCK)
                await connection.run_sync(_upgrade)
            return
        except DBAPIError as problem:  # replicas at work take the tables in another order
            if pause is None or getattr(problem.orig, "sqlstate", "") != _DEADLOCK:
                raise
            await asyncio.sleep(pause)


def _upgrade(connection: Connection) -> None:
    before, begun = found(connection), time.monotonic()
    if before == wanted():
        return
    config = Config()
    config.set_main_option("script_location", str(folder()))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if before:
        seconds = round(time.monotonic() - begun, 1)
        log.info("database.upgraded", before=before, now=wanted(), seconds=seconds)
