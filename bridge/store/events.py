"""Events: stored before they are acknowledged, read by the router and by people.

Concurrent requests share commits: what arrives while one commit is on its way to the disk goes
together with the next, so that durability does not cost throughput.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.reading import Envelope
from bridge.database import Database, Unavailable
from bridge.tables.delivery import events

TOPIC: Final = "events"
_MOST_WAITING: Final = 16 * 2**20  # bytes of bodies
_LARGEST_COMMIT: Final = 200
_PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A stored event as the router and people read it; `at` and the times are aware UTC."""

    seq: int
    id: str
    name: str
    at: datetime | None
    received_at: datetime
    version: str
    source: str
    booking_id: str
    state: str
    problem: str
    body: bytes | None


_COLUMNS: Final = tuple(events.c[name] for name in StoredEvent.__slots__)


class Events:
    """The events of one database. Run `run` as a task while `accept` is in use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[dict[str, object], asyncio.Future[bool]]] = []
        self._bytes = 0
        self._arrived = asyncio.Event()

    async def accept(self, envelope: Envelope, body: bytes, version: str, source: str, now: datetime) -> bool:
        """Store an event on disk; False when it was known. Raises Unavailable after three seconds."""
        if self._bytes + len(body) > _MOST_WAITING:
            raise Unavailable("too many events are waiting to be stored")
        row: dict[str, object] = {
            "id": envelope.id,
            "name": envelope.event,
            "at": envelope.at,
            "received_at": now,
            "version": version[:20],
            "source": source,
            "booking_id": envelope.booking_id,
            "state": "unrecognised" if envelope.problem else "received",
            "problem": envelope.problem,
            "body": body,
        }
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, stored))
        self._bytes += len(body)
        self._arrived.set()
        try:
            async with asyncio.timeout(_PATIENCE):
                return await stored
        except TimeoutError:
            raise Unavailable("the database did not take the event in time") from None
        finally:
            self._bytes -= len(body)

    async def run(self) -> None:
        """Commit what was accepted, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:_LARGEST_COMMIT], self._waiting[_LARGEST_COMMIT:]
                await self._commit([item for item in batch if not item[1].done()])

    async def _commit(self, batch: list[tuple[dict[str, object], asyncio.Future[bool]]]) -> None:
        if not batch:
            return
        rows = {row["id"]: row for row, _ in reversed(batch)}
        try:
            async with self._database.write() as connection:
                new = await self._insert(connection, list(rows.values()))
                await self._database.announce(connection, TOPIC)
        except Unavailable as problem:
            for _, stored in batch:
                if not stored.done():
                    stored.set_exception(Unavailable(str(problem)))
            return
        self._database.ring(TOPIC)
        for row, stored in batch:
            if not stored.done():
                stored.set_result(row["id"] in new)
            new.discard(str(row["id"]))  # a repeat in the same commit is known already

    async def _insert(self, connection: AsyncConnection, rows: list[dict[str, object]]) -> set[str]:
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(events).on_conflict_do_nothing(index_elements=["id"])
        return set(await connection.scalars(statement.returning(events.c.id), rows))

    async def list(
        self, *, state: str = "", booking_id: str = "", limit: int = 50, ids: Sequence[str] = ()
    ) -> list[StoredEvent]:
        """The latest events, newest first; `ids` may be shortened to their beginning."""
        query = select(*_COLUMNS).order_by(events.c.seq.desc()).limit(limit)
        if state:
            query = query.where(events.c.state == state)
        if booking_id:
            query = query.where(events.c.booking_id == booking_id)
        for identity in ids:
            query = query.where(events.c.id.startswith(identity, autoescape=True))
        async with self._database.read() as connection:
            return [_event(row) for row in await connection.execute(query)]

    async def again(self, event_id: str) -> bool:
        """Have an event routed again; False when there is none with a body under this id."""
        change = update(events).where(events.c.id == event_id, events.c.body.is_not(None))
        async with self._database.write() as connection:
            result = await connection.execute(change.values(state="received", problem=""))
            await self._database.announce(connection, TOPIC)
        self._database.ring(TOPIC)
        return result.rowcount == 1

    async def counts(self) -> dict[str, int]:
        """How many events are in each state."""
        query = select(events.c.state, func.count()).group_by(events.c.state)
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def last_received(self) -> datetime | None:
        """When the latest event came in."""
        query = select(events.c.received_at).order_by(events.c.seq.desc()).limit(1)
        async with self._database.read() as connection:
            return await connection.scalar(query)


def _event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(**row._mapping)
