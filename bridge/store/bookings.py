"""The bookings mirror: entries by the API's uid, who hosts them, and what changed since when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.feeds.calendar import View
from bridge.core.feeds.entries import Entry, Record
from bridge.core.feeds.feeds import Who
from bridge.core.refresh import Trace
from bridge.database import Database
from bridge.store.names import TOPIC, Names, next_revision
from bridge.store.records import (
    SLICE,
    Kept,
    entry_columns,
    farewell_rows,
    host_rows,
    kept_row,
    read_entry,
    read_farewells,
    read_kept,
    read_known,
    state_of,
)
from bridge.store.statements import insert_into
from bridge.tables.mirror import booking_hosts, bookings, farewells, links, mirror

_MANY: Final = 2_000
"""Rows fetched at a time."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What to store, whether feeds change, and since when the booking is of another type, in their feeds."""

    kept: Kept
    visible: bool = True
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed: for feeds of several hosts the entries, and by (host, uid) those of their own feeds."""

    entries: tuple[Entry, ...]
    own: Mapping[tuple[str, str], Entry]


Decide = Callable[[Mapping[str, Kept], View, datetime | None], Iterable[Saving]]
"""From what is known of some bookings, the names that calendars show, and when a refresh was last accepted,
to what is to be stored."""


class Bookings:
    """The mirror's bookings in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = partial(insert_into, database.dialect)
        self._names = Names()

    async def traces(self, since: datetime) -> dict[str, Trace]:
        """The little a refresh from `since` on needs of every booking, by uid."""
        expected = and_(bookings.c.live, bookings.c.start >= since).label("expected")
        query = select(bookings.c.uid, bookings.c.digest, func.coalesce(expected, False))
        found: dict[str, Trace] = {}
        async with self._database.read() as connection:
            async for rows in (await connection.stream(query)).partitions(_MANY):
                found.update((uid, Trace(digest, bool(expected))) for uid, digest, expected in rows)
        return found

    async def known(self, uids: Iterable[str]) -> dict[str, Kept]:
        """The bookings with these uids, as far as there are any."""
        async with self._database.read() as connection:
            return await read_known(connection, list(uids))

    async def change(self, uids: Sequence[str], decide: Decide) -> list[Saving]:
        """Store what `decide` makes of what is known; nobody else changes the mirror meanwhile."""
        async with self._database.write() as connection:
            revision, names_at, refreshed_at = await next_revision(connection)
            known = await read_known(connection, list(uids))
            names = await self._names.view(connection, names_at)
            savings = list(decide(known, names, refreshed_at))
            await self._store(connection, savings, revision, known.keys())
            if moved := [saving.moved_at for saving in savings if saving.moved_at]:
                await connection.execute(update(mirror).values(names_at=max(*moved, names_at or moved[0])))
            if any(saving.visible for saving in savings):
                await connection.run_sync(self._database.notify, TOPIC)
        return savings

    async def _store(
        self, connection: AsyncConnection, savings: Sequence[Saving], revision: int, known: Set[str]
    ) -> None:
        quiet = [saving for saving in savings if not saving.visible]
        loud = [saving for saving in savings if saving.visible]
        for saving in quiet:
            kept = saving.kept
            changed = {"state": state_of(kept.record.team), "digest": kept.digest, "read_at": kept.read_at}
            quietly = update(bookings).where(bookings.c.uid == kept.record.uid).values(changed)
            await connection.execute(quietly)
        if not loud:
            return
        rows = [kept_row(saving.kept, revision) for saving in loud]
        statement = self._insert(bookings)
        values = {name: statement.excluded[name] for name in rows[0] if name not in {"uid", "first_seen"}}
        await connection.execute(statement.on_conflict_do_update(index_elements=["uid"], set_=values), rows)
        await self._store_own(connection, [saving.kept.record for saving in loud], revision, known)

    async def _store_own(
        self, connection: AsyncConnection, records: Sequence[Record], revision: int, known: Set[str]
    ) -> None:
        """Write down who hosts, who did, and what their own feeds show."""
        if uids := [record.uid for record in records if record.uid in known]:
            for table in (booking_hosts, farewells):
                await connection.execute(delete(table).where(table.c.uid.in_(uids)))
        if hosting := [row for record in records for row in host_rows(record)]:
            await connection.execute(self._insert(booking_hosts), hosting)
        if parting := [row for record in records for row in farewell_rows(record, revision)]:
            await connection.execute(self._insert(farewells), parting)

    async def changes(self, since: int, most: int) -> Changed | None:
        """What changed after revision `since`; None when it is more than `most`."""
        newer, left = bookings.c.revision > since, farewells.c.revision > since
        async with self._database.read() as connection:
            for which in (newer, left):
                if int((await connection.execute(select(func.count()).where(which))).scalar_one()) > most:
                    return None
            found = [kept.record for kept in (await read_kept(connection, newer)).values()]
            own = await read_farewells(connection, left)
        own |= {(host, record.uid): entry for record in found for host, entry in record.own.items()}
        return Changed(tuple(record.team for record in found), own)

    async def of(self, who: Who, since: datetime, chunk: int = 500) -> AsyncIterator[list[Entry]]:
        """What a feed shows that starts at `since` or later, in chunks; a host's farewells come first."""
        if who.kind == "host":
            async with self._database.read() as connection:
                theirs = and_(farewells.c.host_id == who.id, farewells.c.start >= since)
                yield [*(await read_farewells(connection, theirs)).values()]
        last: tuple[datetime, str] | None = None
        while True:
            rows = await self._page(_of(who).where(bookings.c.start >= since), last, chunk)
            yield [read_entry(row) for row in rows]
            if len(rows) < chunk:
                return
            last = (rows[-1].start, rows[-1].uid)

    async def _page(self, query: Select[Any], after: tuple[datetime, str] | None, size: int) -> Sequence[Any]:
        """The next rows of a query in the order of start and uid."""
        if after is not None:
            start, uid = after
            same = and_(bookings.c.start == start, bookings.c.uid > uid)
            query = query.where(bookings.c.start >= start, or_(bookings.c.start > start, same))
        query = query.order_by(bookings.c.start, bookings.c.uid).limit(size)
        async with self._database.read() as connection:
            rows: Sequence[Any] = (await connection.execute(query)).all()
        return rows

    async def upcoming(self, who: Who, now: datetime, count: int) -> list[Entry]:
        """The next bookings that are to take place, the nearest first."""
        rows = await self._page(_of(who).where(bookings.c.start >= now, bookings.c.live), None, count)
        return [read_entry(row) for row in rows]

    async def uid_of(self, webhook_id: str) -> str | None:
        """The uid of the booking that webhooks call this, as far as it was learnt."""
        query = select(links.c.uid).where(links.c.webhook_id == webhook_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar()

    async def link(self, webhook_id: str, uid: str) -> None:
        """Remember what webhooks call a booking."""
        statement = self._insert(links).values(webhook_id=webhook_id, uid=uid)
        statement = statement.on_conflict_do_update(index_elements=["webhook_id"], set_={"uid": uid})
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def forget(self, before: datetime, left_before: datetime, unlisted: Sequence[str]) -> None:
        """Erase what has left every feed: what starts before a time, what hosts lost before another.

        Also, of the `unlisted`, which Copera has no more, what was called off before that or has no time.
        What changed since then stays although it starts so early: it was moved there, which every replica
        must still see, and may come back, with marks that go on from those that calendars know.
        """
        over = or_(farewells.c.start < before, farewells.c.closed_at < left_before)
        off = or_(bookings.c.start.is_(None), bookings.c.closed_at < left_before)
        async with self._database.write() as connection:
            await _erase(connection, and_(bookings.c.start < before, bookings.c.full_at < left_before))
            for first in range(0, len(unlisted), SLICE):
                await _erase(connection, and_(bookings.c.uid.in_(unlisted[first : first + SLICE]), off))
            await connection.execute(delete(farewells).where(over))


async def _erase(connection: AsyncConnection, which: ColumnElement[bool]) -> None:
    old = select(bookings.c.uid).where(which)
    for table in (booking_hosts, links):
        await connection.execute(delete(table).where(table.c.uid.in_(old)))
    await connection.execute(delete(bookings).where(which))


def _of(who: Who) -> Select[Any]:
    """What a feed shows: rows with the marks of its audience first, then the start."""
    if who.kind == "host":
        query = select(*entry_columns(bookings, own=True), bookings.c.start)
        query = query.join_from(bookings, booking_hosts, booking_hosts.c.uid == bookings.c.uid)
        return query.where(bookings.c.shown, booking_hosts.c.host_id == who.id)
    query = select(*entry_columns(bookings), bookings.c.start).where(bookings.c.shown)
    return query.where(bookings.c.type_id == who.id) if who.kind == "type" else query
