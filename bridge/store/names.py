"""What hosts and booking types are called and painted, and what calendars show of that when it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, false, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.feeds.calendar import View
from bridge.core.feeds.entries import Record
from bridge.core.refresh import renamed
from bridge.database import Database
from bridge.store.records import SLICE, mark_values, read_farewells, read_kept
from bridge.tables.mirror import booking_hosts, booking_types, bookings, farewells, members, mirror

TOPIC: Final = "mirror"
"""What is notified when feeds show something else, or have other addresses."""


class Turn(NamedTuple):
    """The number of the change being made; when names last changed, and when a refresh was last accepted."""

    revision: int
    names_at: datetime | None
    refreshed_at: datetime | None


async def next_revision(connection: AsyncConnection) -> Turn:
    """The next number, and how things stand; holds others off until the change is over."""
    statement = update(mirror).values(revision=mirror.c.revision + 1)
    statement = statement.returning(*(mirror.c[name] for name in Turn._fields))
    return Turn(*(await connection.execute(statement)).one())


async def read_people(connection: AsyncConnection) -> tuple[Person, ...]:
    """The members and hosts as last named."""
    rows = await connection.execute(select(members.c.id, members.c.name, members.c.email))
    return tuple(Person(*row) for row in rows.all())


async def read_types(connection: AsyncConnection) -> tuple[BookingType, ...]:
    """The booking types as last listed."""
    rows = (await connection.execute(select(booking_types))).mappings().all()
    return tuple(BookingType(**row) for row in rows)


def view_of(people: Iterable[Person], types: Iterable[BookingType]) -> View:
    """How calendars name and paint things."""
    return View(people=Directory(people), types={kind.id: kind for kind in types})


class Names:
    """What calendars call things at present, read again only when it changed."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._view = View()

    async def view(self, connection: AsyncConnection, names_at: datetime | None) -> View:
        """The names as they were last changed, which was at `names_at`."""
        if self._at != names_at:
            self._view = view_of(await read_people(connection), await read_types(connection))
            self._at = names_at
        return self._view


class Renaming:
    """From some names to others: finds the marks that rise with that, and lets them rise.

    Finding takes its time where many bookings are concerned, so it is done before the transaction in which
    the names change (`look`), and in it (`apply`) only for what others changed meanwhile.
    """

    def __init__(self, before: View, after: View, now: datetime) -> None:
        self._views = before, after
        self._now = now
        self._looked_at = -1
        self._raised: dict[str, Record] = {}
        self._concerned = or_(*self._which())

    def _which(self) -> Iterator[ColumnElement[bool]]:
        """The bookings of hosts that are called differently, and of types that are painted so."""
        before, after = self._views
        everybody = {person.id for view in self._views for person in view.people}
        hosts = sorted(one for one in everybody if before.people.name(one) != after.people.name(one))
        kinds = before.types.keys() | after.types.keys()
        types = sorted(one for one in kinds if before.colour(one) != after.colour(one))
        yield false()
        for first in range(0, len(hosts), SLICE):
            some = booking_hosts.c.host_id.in_(hosts[first : first + SLICE])
            yield bookings.c.uid.in_(select(booking_hosts.c.uid).where(some))
        for first in range(0, len(types), SLICE):
            yield bookings.c.type_id.in_(types[first : first + SLICE])

    async def look(self, database: Database) -> None:
        """Find what rises."""
        async with database.read() as connection:
            self._looked_at = (await connection.execute(select(mirror.c.revision))).scalar() or 0
            found = select(bookings.c.uid).where(self._concerned).order_by(bookings.c.uid)
            uids = (await connection.execute(found)).scalars().all()
        for first in range(0, len(uids), SLICE):
            async with database.read() as connection:
                await self._find(connection, bookings.c.uid.in_(uids[first : first + SLICE]))

    async def _find(self, connection: AsyncConnection, which: ColumnElement[bool]) -> None:
        for uid, kept in (await read_kept(connection, which)).items():
            record = renamed(kept.record, self._now, *self._views)
            if record != kept.record:
                self._raised[uid] = record
            else:
                self._raised.pop(uid, None)

    async def apply(self, connection: AsyncConnection, revision: int) -> None:
        """Let the marks rise, within the change that has this number."""
        await self._find(connection, and_(bookings.c.revision > self._looked_at, self._concerned))
        for table, keys, rows in (
            (bookings, ("uid",), self._teams(revision)),
            (booking_hosts, ("host_id", "uid"), self._hosts()),
            (farewells, ("host_id", "uid"), await self._parted(connection, revision)),
        ):
            if rows:
                same = [table.c[key] == bindparam(f"its_{key}") for key in keys]
                await connection.execute(update(table).where(*same), rows)

    def _teams(self, revision: int) -> list[dict[str, Any]]:
        return [
            {"its_uid": uid, "revision": revision, **mark_values(record.team)}
            for uid, record in self._raised.items()
        ]

    def _hosts(self) -> list[dict[str, Any]]:
        return [
            {"its_host_id": host, "its_uid": uid, **mark_values(entry)}
            for uid, record in self._raised.items()
            for host, entry in record.own.items()
        ]

    async def _parted(self, connection: AsyncConnection, revision: int) -> list[dict[str, Any]]:
        """All that were left are looked through, for they are few."""
        rows = []
        for (host, uid), left in (await read_farewells(connection, true())).items():
            entry = renamed(Record(left, {host: left}), self._now, *self._views).own[host]
            if entry != left:
                rows.append({"its_host_id": host, "its_uid": uid, "revision": revision, **mark_values(entry)})
        return rows
