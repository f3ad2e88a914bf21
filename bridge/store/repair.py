"""What was seen of the mirror's bookings, what of it was told, and who compares the two."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.bookings import Booking, Event
from bridge.core.identity import Identities
from bridge.core.json_body import kept
from bridge.core.reading import read_booking
from bridge.core.repair import SOURCE, Gist, gist
from bridge.database import Database
from bridge.store import identities
from bridge.store.events import by_digest
from bridge.store.statements import insert_into
from bridge.tables.delivery import booking_states, deliveries, events
from bridge.tables.mirror import bookings, mirror
from bridge.tables.repair import PENDING, repairs, sightings

_OVERLAP: Final = timedelta(hours=1)
"""Longer than a refresh takes: what it read before it ended belongs to it."""
_LATEST: Final = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """Both None before there ever was one: the last refresh of the mirror, the last that was compared."""

    refreshed_at: datetime | None
    looked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sight:
    """A booking as the mirror shows it now, and what was seen of it before."""

    uid: str
    booking: Booking
    read_at: datetime
    seen: Gist | None
    told: Gist | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What to keep of a booking: `told` is None when nothing of it was told or is the baseline."""

    uid: str
    contact: str
    seen: Gist
    since: datetime
    told: Gist | None
    pending: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What a booking's latest event told: its name for the booking, when it happened, when it came in."""

    key: str
    gist: Gist | None
    at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A booking that may have to be told: as the mirror shows it, since when, and what was told.

    `known` is the gist told or found at first, where no event has told or its content was erased.
    """

    uid: str
    booking: Booking
    since: datetime
    known: Gist | None
    told: Told | None


class Repairs:
    """The repair's memory in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = partial(insert_into, database.dialect)

    async def prepare(self) -> None:
        """Make the one row that the rest needs, if it is not there."""
        row = {"id": 1, "looked_at": None, "holder": "", "lease_until": None}
        async with self._database.write() as connection:
            await connection.execute(self._insert(repairs).values(**row).on_conflict_do_nothing())

    async def progress(self) -> Progress:
        """How far the comparison is."""
        async with self._database.read() as connection:
            refreshed_at = await connection.scalar(select(mirror.c.refreshed_at))
            return Progress(refreshed_at, await connection.scalar(select(repairs.c.looked_at)))

    async def lease(self, holder: str, now: datetime, length: timedelta) -> bool:
        """Take or extend the right to repair; False while another replica has it."""
        free = or_(repairs.c.lease_until.is_(None), repairs.c.lease_until < now, repairs.c.holder == holder)
        change = update(repairs).where(free).values(holder=holder, lease_until=now + length)
        async with self._database.write() as connection:
            return (await connection.execute(change)).rowcount == 1

    async def release(self, holder: str) -> None:
        """Give the right to repair back."""
        async with self._database.write() as connection:
            await connection.execute(
                update(repairs).where(repairs.c.holder == holder).values(lease_until=None)
            )

    async def look(self, looked_at: datetime | None, after: str, most: int) -> list[Sight]:
        """The next bookings by uid that the mirror read since the last look; all at the first."""
        columns = (bookings.c.uid, bookings.c.state, bookings.c.read_at, sightings.c.seen, sightings.c.told)
        query = select(*columns).outerjoin(sightings, sightings.c.uid == bookings.c.uid)
        query = query.where(bookings.c.uid > after).order_by(bookings.c.uid).limit(most)
        if looked_at is not None:
            query = query.where(bookings.c.read_at >= looked_at - _OVERLAP)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Sight(row.uid, _booking(row.state), row.read_at, _gist(row.seen), _gist(row.told)) for row in rows
        ]

    async def keep(self, seen: Sequence[Seen]) -> None:
        """Remember what was seen."""
        if not seen:
            return
        statement = self._insert(sightings)
        new = {c.name: statement.excluded[c.name] for c in sightings.c if not c.primary_key}
        async with self._database.write() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["uid"], set_=new), list(map(_row, seen))
            )

    async def looked(self, at: datetime, *, settle: bool) -> int:
        """A look is over; `settle` takes what was pending as told. How many were."""
        async with self._database.write() as connection:
            await connection.execute(update(repairs).values(looked_at=at))
            gone = sightings.c.uid.not_in(select(bookings.c.uid))
            await connection.execute(delete(sightings).where(gone))
            if not settle:
                return 0
            change = update(sightings).where(PENDING).values(told=sightings.c.seen, pending=False)
            return (await connection.execute(change)).rowcount

    async def settle(self, uids: Collection[str], before: datetime) -> None:
        """These are told as they were seen first before a time, which is not changed by later sights."""
        chosen = and_(sightings.c.uid.in_(uids), sightings.c.since <= before)
        async with self._database.write() as connection:
            await connection.execute(
                update(sightings).where(chosen).values(told=sightings.c.seen, pending=False)
            )

    async def channels(self, most: int) -> list[str]:
        """Where the latest deliveries went, as Slack's ids, the latest first."""
        latest = select(deliveries.c.channel, deliveries.c.seq).where(deliveries.c.channel != "")
        latest = latest.order_by(deliveries.c.seq.desc()).limit(_LATEST)
        async with self._database.read() as connection:
            rows = (await connection.execute(latest)).all()
        return list(dict.fromkeys(row.channel for row in rows))[:most]

    async def strange(self, ids: Collection[str]) -> bool:
        """Whether one of these is no event that was ever stored here."""
        async with self._database.read() as connection:
            found = await connection.scalars(select(events.c.id).where(events.c.id.in_(ids)))
            missing = set(ids) - set(found)
            older = select(func.count()).select_from(events).where(by_digest(events.c.id, missing))
            return bool(missing) and await connection.scalar(older) != len(missing)

    async def next_since(self) -> datetime | None:
        """Since when the oldest pending one is seen; None when none is pending."""
        query = select(sightings.c.since).where(PENDING).order_by(sightings.c.since).limit(1)
        async with self._database.read() as connection:
            return await connection.scalar(query)

    async def due(self, before: datetime, most: int) -> list[Due]:
        """What is pending and was seen first before a time, the oldest first, with what was told of it."""
        columns = (sightings.c.uid, sightings.c.since, sightings.c.told, bookings.c.state)
        query = select(*columns).join(bookings, bookings.c.uid == sightings.c.uid)
        query = query.where(PENDING, sightings.c.since <= before).order_by(sightings.c.since).limit(most)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            probes = {row.uid: _probe(row.uid, _booking(row.state), row.since) for row in rows}
            told = await _told(connection, probes)
        return [
            Due(row.uid, probes[row.uid].booking, row.since, _gist(row.told), told.get(row.uid))
            for row in rows
        ]


def _probe(uid: str, booking: Booking, at: datetime) -> Event:
    """An event that stands for the booking, to find out under which key it was told."""
    return Event(uid, "created", at, booking, SOURCE)


async def _told(connection: AsyncConnection, probes: dict[str, Event]) -> dict[str, Told]:
    """What was told of these bookings, by uid."""
    known = Identities(await connection.run_sync(identities.load, list(probes.values())))
    keys = {uid: key for uid, probe in probes.items() if (key := known.find(probe))}
    state = func.coalesce(booking_states.c.state, booking_states.c.gist).label("state")
    query = select(booking_states.c.booking_id, state, booking_states.c.at, events.c.received_at)
    query = query.join(events, events.c.id == booking_states.c.event_id)
    rows = await connection.execute(query.where(booking_states.c.booking_id.in_(set(keys.values()))))
    told = {row.booking_id: Told(row.booking_id, _gist(row.state), row.at, row.received_at) for row in rows}
    return {uid: told[key] for uid, key in keys.items() if key in told}


def _booking(state: str) -> Booking:
    return read_booking(kept(state))


def _gist(state: str | None) -> Gist | None:
    return gist(_booking(state)) if state else None


def _row(seen: Seen) -> dict[str, Any]:
    told = seen.told.text() if seen.told else None
    return {
        "uid": seen.uid,
        "contact": seen.contact,
        "seen": seen.seen.text(),
        "since": seen.since,
        "told": told,
        "pending": seen.pending,
    }
