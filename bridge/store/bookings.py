"""The bookings mirror: entries by the API's uid, who hosts them, and what changed since when."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.feeds.entries import Entry, Mark, is_off
from bridge.core.feeds.feeds import Who
from bridge.core.feeds.tokens import DETAILS
from bridge.core.reading import read_booking, write_booking
from bridge.core.refresh import Trace
from bridge.database import Database
from bridge.tables.mirror import booking_hosts, bookings, farewells, links, mirror

TOPIC: Final = "mirror"
_SLICE: Final = 200
"""Rows named in one statement, well below SQLite's and PostgreSQL's limits on parameters."""
_MANY: Final = 2_000
"""Rows fetched at a time."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with the digest of the answer it came from ("" after a webhook) and that answer's time."""

    entry: Entry
    digest: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Saving:
    """What to store: the booking, by host what those who lost it keep, and whether feeds change."""

    kept: Kept
    farewells: Mapping[str, Entry] = field(default_factory=dict)
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed: entries, and by (host, uid) the farewells."""

    entries: tuple[Entry, ...]
    farewells: Mapping[tuple[str, str], Entry]


class Bookings:
    """The mirror's bookings in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert

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
            return await _known(connection, list(uids))

    async def change(
        self, uids: Sequence[str], decide: Callable[[Mapping[str, Kept]], Iterable[Saving]]
    ) -> list[Saving]:
        """Store what `decide` makes of what is known; nobody else changes the mirror meanwhile."""
        async with self._database.write() as connection:
            revision = await next_revision(connection)
            known = await _known(connection, list(uids))
            savings = list(decide(known))
            await self._store(connection, savings, revision, known.keys())
            if any(saving.visible for saving in savings):
                await self._database.announce(connection, TOPIC)
        return savings

    async def _store(
        self, connection: AsyncConnection, savings: Sequence[Saving], revision: int, known: Set[str]
    ) -> None:
        quiet = [saving for saving in savings if not saving.visible]
        loud = [saving for saving in savings if saving.visible]
        for saving in quiet:
            entry = saving.kept.entry
            changed = {
                "state": _state(entry),
                "digest": saving.kept.digest,
                "read_at": saving.kept.read_at,
            }
            await connection.execute(update(bookings).where(bookings.c.uid == entry.uid).values(changed))
        if not loud:
            return
        await self._upsert(connection, bookings, ["uid"], [_row(saving.kept, revision) for saving in loud])
        await self._store_hosts(connection, loud, known)
        parting = [
            _entry_row(entry, revision) | {"host_id": host}
            for saving in loud
            for host, entry in saving.farewells.items()
        ]
        if parting:
            await self._upsert(connection, farewells, ["host_id", "uid"], parting)

    async def _store_hosts(
        self, connection: AsyncConnection, savings: Sequence[Saving], known: Set[str]
    ) -> None:
        """Write down who hosts; those who do need no farewell any more."""
        pairs = [
            {"host_id": host, "uid": saving.kept.entry.uid}
            for saving in savings
            for host in saving.kept.entry.booking.host_ids
        ]
        uids = [saving.kept.entry.uid for saving in savings if saving.kept.entry.uid in known]
        if uids:
            await connection.execute(delete(booking_hosts).where(booking_hosts.c.uid.in_(uids)))
        if pairs:
            await connection.execute(self._insert(booking_hosts).on_conflict_do_nothing(), pairs)
        if uids:
            here = (booking_hosts.c.host_id == farewells.c.host_id, booking_hosts.c.uid == farewells.c.uid)
            returned = delete(farewells).where(farewells.c.uid.in_(uids), exists().where(*here))
            await connection.execute(returned)

    async def _upsert(
        self, connection: AsyncConnection, table: Any, keys: list[str], rows: list[dict[str, Any]]
    ) -> None:
        statement = self._insert(table)
        values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        if table is bookings:
            values.pop("first_seen")
        await connection.execute(
            statement.on_conflict_do_update(index_elements=keys, set_=values),
            rows,
        )

    async def changes(self, since: int, most: int) -> Changed | None:
        """What changed after revision `since`; None when it is more than `most`."""
        newer = select(*_ENTRY, bookings.c.uid, bookings.c.shown).where(bookings.c.revision > since)
        parted = select(*_FAREWELL, farewells.c.uid, farewells.c.host_id).where(farewells.c.revision > since)
        async with self._database.read() as connection:
            rows = (await connection.execute(newer.limit(most + 1))).all()
            lost = (await connection.execute(parted.limit(most + 1))).all()
        if max(len(rows), len(lost)) > most:
            return None
        left = {(row.host_id, row.uid): _entry(row, shown=True) for row in lost}
        return Changed(tuple(_entry(row, shown=row.shown) for row in rows), left)

    async def of(self, who: Who, since: datetime, chunk: int = 500) -> AsyncIterator[list[Entry]]:
        """What a feed shows that starts at `since` or later, in chunks; a host's farewells come first."""
        if who.kind == "host":
            parted = select(*_FAREWELL, farewells.c.uid).where(
                farewells.c.host_id == who.id, farewells.c.start >= since
            )
            async with self._database.read() as connection:
                yield [_entry(row, shown=True) for row in (await connection.execute(parted)).all()]
        last: tuple[datetime, str] | None = None
        while True:
            rows = await self._page(_of(who).where(bookings.c.start >= since), last, chunk)
            yield [_entry(row, shown=True) for row in rows]
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
        return [_entry(row, shown=True) for row in rows]

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
        """
        over = or_(farewells.c.start < before, farewells.c.closed_at < left_before)
        off = or_(bookings.c.start.is_(None), bookings.c.closed_at < left_before)
        async with self._database.write() as connection:
            await _erase(connection, bookings.c.start < before)
            for first in range(0, len(unlisted), _SLICE):
                await _erase(connection, and_(bookings.c.uid.in_(unlisted[first : first + _SLICE]), off))
            await connection.execute(delete(farewells).where(over))


async def _erase(connection: AsyncConnection, which: ColumnElement[bool]) -> None:
    old = select(bookings.c.uid).where(which)
    for table in (booking_hosts, links):
        await connection.execute(delete(table).where(table.c.uid.in_(old)))
    await connection.execute(delete(bookings).where(which))


_MARKS: Final = tuple(f"{detail}_{part}" for detail in DETAILS for part in ("sequence", "at"))
_NAMES: Final = ("state", "start", *_MARKS, "first_seen", "closed_at")
_ENTRY: Final = tuple(bookings.c[name] for name in _NAMES)
_FAREWELL: Final = tuple(farewells.c[name] for name in _NAMES)


async def next_revision(connection: AsyncConnection) -> int:
    """The number of the change being made; holds the others off until it is committed."""
    statement = update(mirror).values(revision=mirror.c.revision + 1).returning(mirror.c.revision)
    return int((await connection.execute(statement)).scalar_one())


async def _known(connection: AsyncConnection, uids: Sequence[str]) -> dict[str, Kept]:
    columns = (*_ENTRY, bookings.c.uid, bookings.c.shown, bookings.c.digest, bookings.c.read_at)
    found: dict[str, Kept] = {}
    for first in range(0, len(uids), _SLICE):
        query = select(*columns).where(bookings.c.uid.in_(uids[first : first + _SLICE]))
        for row in (await connection.execute(query)).all():
            found[row.uid] = Kept(_entry(row, shown=row.shown), row.digest, row.read_at)
    return found


def _of(who: Who) -> Select[Any]:
    query = select(*_ENTRY, bookings.c.uid).where(bookings.c.shown)
    if who.kind == "host":
        return query.join(booking_hosts, booking_hosts.c.uid == bookings.c.uid).where(
            booking_hosts.c.host_id == who.id
        )
    return query.where(bookings.c.type_id == who.id) if who.kind == "type" else query


def _entry(row: Any, *, shown: bool) -> Entry:
    return Entry(
        row.uid,
        read_booking(json.loads(row.state)),
        Mark(row.full_sequence, row.full_at),
        Mark(row.title_sequence, row.title_at),
        Mark(row.busy_sequence, row.busy_at),
        row.first_seen,
        row.closed_at,
        shown,
    )


def _state(entry: Entry) -> str:
    return orjson.dumps(write_booking(entry.booking)).decode()


def _entry_row(entry: Entry, revision: int) -> dict[str, Any]:
    return {
        "uid": entry.uid,
        "state": _state(entry),
        "start": entry.booking.start,
        "full_sequence": entry.full.sequence,
        "full_at": entry.full.at,
        "title_sequence": entry.title.sequence,
        "title_at": entry.title.at,
        "busy_sequence": entry.busy.sequence,
        "busy_at": entry.busy.at,
        "first_seen": entry.first_seen,
        "closed_at": entry.closed_at,
        "revision": revision,
    }


def _row(kept: Kept, revision: int) -> dict[str, Any]:
    entry = kept.entry
    return _entry_row(entry, revision) | {
        "type_id": entry.booking.type_id,
        "live": not is_off(entry.booking),
        "shown": entry.shown,
        "digest": kept.digest,
        "read_at": kept.read_at,
    }
