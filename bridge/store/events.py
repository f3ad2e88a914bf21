"""Events that were stored: what came in, in which state it is, and having it routed again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, or_, select, update

from bridge.core.order import DIGEST
from bridge.database import Database
from bridge.tables.delivery import events

TOPIC: Final = "events"


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


def by_digest(column: ColumnElement[str], ids: Iterable[str]) -> ColumnElement[bool]:
    """Whether an event's id has the digest of one of these, which messages and logs of before 0003 give."""
    return func.substr(column, 65 - DIGEST).in_([one[:DIGEST] for one in ids])


def is_called(given: str) -> ColumnElement[bool]:
    """Whether an event's id is this or begins with it; ids of before migration 0003 began with the digest."""
    begins: ColumnElement[bool] = events.c.id.startswith(given.lower(), autoescape=True)
    digest = func.substr(events.c.id, 65 - DIGEST)
    began = digest.startswith(given.lower()[:DIGEST], autoescape=True)
    return or_(begins, began) if len(given) >= _TELLING else begins


_TELLING: Final = 8
"""Characters of a digest that are hardly ever another's by chance."""

_COLUMNS: Final = tuple(events.c[name] for name in StoredEvent.__slots__)


class Events:
    """The events of one database, as people and the router ask for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        *,
        state: str = "",
        booking_id: str = "",
        limit: int = 50,
        ids: Sequence[str] = (),
        before: int | None = None,
    ) -> list[StoredEvent]:
        """The latest events, newest first; `ids` may be shortened to their beginning, `before` is a seq."""
        query = select(*_COLUMNS).order_by(events.c.seq.desc()).limit(limit)
        if state:
            query = query.where(events.c.state == state)
        if booking_id:
            query = query.where(events.c.booking_id == booking_id)
        if before is not None:
            query = query.where(events.c.seq < before)
        for identity in ids:
            query = query.where(is_called(identity))
        async with self._database.read() as connection:
            return [_event(row) for row in await connection.execute(query)]

    async def again(self, event_id: str) -> bool:
        """Have an event routed again; False when there is none with a body under this id.

        Its problem stays until then: one that has none was told before.
        """
        change = update(events).where(events.c.id == event_id, events.c.body.is_not(None))
        async with self._database.write() as connection:
            result = await connection.execute(change.values(state="received"))
            await connection.run_sync(self._database.notify, TOPIC)
        self._database.wake(TOPIC)
        return result.rowcount == 1

    async def unrecognised(self) -> int:
        """How many are kept that are not understood; those whose body was erased can never be."""
        query = select(func.count()).where(events.c.state == "unrecognised", events.c.body.is_not(None))
        async with self._database.read() as connection:
            return await connection.scalar(query) or 0


def _event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(**row._mapping)
