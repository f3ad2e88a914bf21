"""What the database refuses gets into the log as a traceback: it must not quote what was stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from bridge.database import Database, Unavailable
from bridge.log_throttle import LogThrottle
from bridge.tables.delivery import events

PERSONAL = "eva@example.com"
WRONG = insert(events).values(
    id="e" * 64, name=PERSONAL, body=b"eva@example.com"
)  # the rest must not be null


async def _write(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(WRONG)


async def _transact(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(WRONG)

    await database.transact(work)


async def _append(database: Database) -> None:
    row: dict[str, Any] = {"id": "e" * 64, "name": PERSONAL, "body": b"eva@example.com"}
    await database.append(events, [row], key="id", topic="events")


async def _read(database: Database) -> None:
    async with database.read() as connection:
        await connection.execute(select(events).where(text("nothing = :mail")), {"mail": PERSONAL})


async def _mistake(database: Database) -> None:
    """What a driver refuses before it asks the server."""
    async with database.write() as connection:
        await connection.execute(text("SELECT CAST(:n AS INTEGER)"), {"n": [PERSONAL]})


@pytest.mark.parametrize("ask", [_write, _transact, _append, _read, _mistake])
async def test_an_error_does_not_quote_values(
    database: Database, ask: Callable[[Database], Awaitable[None]]
) -> None:
    """Whichever way a statement goes that the database refuses."""
    with pytest.raises(Exception) as raised:
        await ask(database)
    error: BaseException | None = raised.value
    while error is not None:
        assert not isinstance(error, DBAPIError) or error.hide_parameters
        said = f"{error} {error!r}"
        assert PERSONAL not in said
        assert PERSONAL.encode().hex() not in said
        error = error.__cause__ or error.__context__


async def test_an_outage_is_a_line_now_and_then_for_all_parts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_away", LogThrottle(every=0.1))
    with structlog.testing.capture_logs() as lines:
        for part in ["router", "courier", "repair"] * 20:
            database.log_unavailable(part, Unavailable("disk I/O error"))
        while len(lines) < 2:
            await asyncio.sleep(0.01)
    assert [(line["event"], line["log_level"]) for line in lines] == [("database.unavailable", "warning")] * 2
    assert [(line["parts"], line["times"]) for line in lines] == [
        ("router", 1),
        ("courier, repair, router", 59),
    ]
