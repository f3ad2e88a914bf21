"""A Copera stand-in, a client of it and a mirror on an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.copera import Copera
from bridge.core.bookings import Person
from bridge.core.feeds.entries import Entry
from bridge.core.feeds.feeds import ALL, Who
from bridge.core.reading import read_booking
from bridge.core.refresh import window
from bridge.core.text import instant
from bridge.database import Database
from bridge.mirror import Mirror
from bridge.sandbox.copera import TOKEN, CoperaStandIn
from bridge.store.bookings import Bookings

Feed = Callable[..., Awaitable[dict[str, Entry]]]


class Clock:
    """The real time, moved by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Workshop:
    """What a test of the mirror needs at hand."""

    def __init__(self, database: Database, stand_in: CoperaStandIn, copera: Copera) -> None:
        self.database = database
        self.stand_in = stand_in
        self.copera = copera
        self.clock = Clock()
        self.people: list[Person] = []
        self.changes = 0
        self.mirror = self.another()
        self.bookings = Bookings(database)

    def another(self) -> Mirror:
        """One more replica on the same database."""
        return Mirror(
            self.database,
            self.copera,
            clock=self.clock,
            interval=timedelta(seconds=300),
            past_days=90,
            people=lambda: self.people,
            changed=self._count,
        )

    def _count(self) -> None:
        self.changes += 1

    async def feed(self, who: Who = ALL) -> dict[str, Entry]:
        """What a feed would show, by uid."""
        since = window(self.clock(), 90)
        return {e.uid: e async for chunk in self.bookings.of(who, since) for e in chunk}

    def hint(self, envelope: Any) -> None:
        """Tell the mirror of a webhook."""
        payload = envelope.payload
        at = instant(payload["createdAt"])
        assert at is not None
        booking = read_booking(payload["data"])
        self.mirror.hint(booking.id, booking, at)

    def calls(self, path: str) -> int:
        return sum(call.method == path for call in self.stand_in.calls)


@pytest.fixture
async def stand_in() -> AsyncIterator[CoperaStandIn]:
    copera = CoperaStandIn()
    await copera.start()
    yield copera
    await copera.stop()


@pytest.fixture
async def workshop(database: Database, stand_in: CoperaStandIn) -> AsyncIterator[Workshop]:
    async with Copera(stand_in.api_url, TOKEN, pause=0.01) as copera:
        yield Workshop(database, stand_in, copera)
