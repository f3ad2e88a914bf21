"""What the database refuses gets into the log as a traceback: it must not quote what was stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError

from bridge.database import Database, Unavailable, open_database
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


class Cutting:
    """Stands before PostgreSQL and passes everything on; or ends new connections at their first words."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: list[asyncio.StreamWriter] = []
        self.cuts = False

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._pass_on, "127.0.0.1", 0)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, back]
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer), return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.read(65_536):
            if self.cuts and b"idle_in_transaction_session_timeout" in said:
                self.drop()
                return
            writer.write(said)
        writer.close()

    def drop(self) -> None:
        for each in self._writers:
            each.close()
        self._writers.clear()


async def test_a_connection_lost_as_soon_as_it_is_made_is_waited_for(database_url: str) -> None:
    """Whatever the first words are in which the server goes away."""
    address = make_url(database_url)
    if address.get_backend_name() == "sqlite":
        pytest.skip("a file is not connected to")
    proxy = Cutting(address.port or 0)
    server = await proxy.serve()
    port = server.sockets[0].getsockname()[1]
    through = address.set(port=port).render_as_string(hide_password=False)
    database = await open_database(through)
    proxy.cuts = True
    proxy.drop()
    for ask in (_ask, _ask):  # the first finds a connection that was lost, the next makes one
        with pytest.raises(Unavailable):
            await ask(database)
    listening = asyncio.create_task(database.listen())
    await asyncio.sleep(0.1)
    assert not listening.done()
    proxy.cuts = False
    await _ask(database)
    listening.cancel()
    await database.close()
    server.close()


async def _ask(database: Database) -> None:
    await database.transact(lambda connection: connection.execute(select(events.c.id)).all())
