"""A mirror as a large company's: bookings of one busy host, of another, and of many more."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Table, text

from bridge.core.bookings import Answer, Booker, Booking, Host, Location
from bridge.core.feeds.feeds import Who
from bridge.core.reading import write_booking
from bridge.core.sightings import Sighting
from bridge.core.sightings import sighting as told
from bridge.database import Database
from bridge.mirror.writing import MirrorWriter
from bridge.store.bookings import Bookings
from bridge.store.feeds import FeedStore
from bridge.store.refreshes import Refreshes
from bridge.tables.mirror import booking_hosts, bookings

OF_ONE: Final = 10_000
OF_ANOTHER: Final = 1_000
ONE, ANOTHER = Who("host", "host-1"), Who("host", "host-2")
_PATTERN: Final = 1_000
"""Bookings of the other hosts that are taken one by one; the rest are copies of them."""


def now() -> datetime:
    return datetime.now(UTC)


def made(number: int, day: datetime, of_one: int = OF_ONE) -> Booking:
    """A booking as real ones are: the first of one host, the next of another, the rest of many."""
    first, second = number < of_one, number < of_one + OF_ANOTHER
    host = ONE.id if first else ANOTHER.id if second else f"host-{number % 200 + 10}"
    start = day + timedelta(minutes=15 * (number % 4000) - 20 * 1440)
    draw = random.Random(number)
    return Booking(
        id=f"bk_{number:08}",
        uid=f"bk_{number:08}",
        status="CONFIRMED",
        type_id="665f01",
        type_title="Intro Call",
        start=start,
        end=start + timedelta(minutes=30),
        duration=30,
        timezone="America/Sao_Paulo",
        hosts=(Host(host, "ORGANIZER"),),
        booker=Booker(
            f"Zoë Müller {number}", f"zoe{number}@example.com", "+15551234567", "Europe/Berlin", "en"
        ),
        answers=(Answer("q1", "What would you like to talk about?", ("x" * draw.randint(40, 200),)),),
        location=Location("ZOOM", (("joinUrl", f"https://zoom.example/j/{draw.randint(10**9, 10**10)}"),)),
    )


def sighting(booking: Booking) -> Sighting:
    made = told(json.dumps(write_booking(booking)).encode(), now())
    assert made
    return made


async def fill(database: Database, count: int, of_one: int = OF_ONE) -> MirrorWriter:
    """A mirror (SQLite) of so many bookings: `of_one` of ONE, OF_ANOTHER of ANOTHER, the rest of others."""
    await Refreshes(database).prepare()
    writer = MirrorWriter(Bookings(database), FeedStore(database), now, lambda: None)
    day = now().replace(hour=0, minute=0, second=0, microsecond=0)
    measured = of_one + OF_ANOTHER
    taken = min(count, measured + _PATTERN)
    for first in range(0, taken, 1000):
        some = range(first, min(first + 1000, taken))
        await writer.store([sighting(made(number, day, of_one)) for number in some])
    await _copy(database, measured, taken, count - taken)
    await Refreshes(database).succeeded(now(), count)
    return writer


async def _copy(database: Database, first: int, end: int, count: int) -> None:
    """Let the database copy the bookings from `first` to `end` until there are `count` more."""
    times = -(-count // max(end - first, 1)) if count > 0 else 0
    bounds = {"first": f"bk_{first:08}", "end": f"bk_{end:08}", "times": times, "most": count}
    async with database.write() as connection:
        for table, changed in ((bookings, ("uid", "state")), (booking_hosts, ("uid",))):
            await connection.execute(text(_copying(table, changed)), bounds)


def _copying(table: Table, changed: tuple[str, ...]) -> str:
    """A statement that copies rows of bookings; the numbers of the copies are put into these columns."""
    names = [column.name for column in table.columns]
    values = [f"replace({name}, 'bk_', 'copy' || n || '_')" if name in changed else name for name in names]
    return (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :times) "
        f"INSERT INTO {table.name} ({', '.join(names)}) "
        f"SELECT {', '.join(values)} FROM numbers, {table.name} "
        "WHERE :times > 0 AND uid >= :first AND uid < :end ORDER BY n, uid LIMIT :most"
    )
