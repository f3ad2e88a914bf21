"""Calendar feeds of several replicas on one PostgreSQL: they say the same, and outlive each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import DETAILS, FeedTokens, Options
from bridge.core.signature import sign
from bridge.database import Database, open_database
from bridge.sandbox.copera import SECRET, CoperaStandIn
from bridge.sandbox.copera_api import BOOKINGS
from bridge.sandbox.copera_calendar import Envelope
from bridge.sandbox.faults import Hang
from bridge.store.feeds import FeedStore
from bridge.tables.mirror import mirror
from tests.faults.processes import Process
from tests.faults.world import World, world
from tests.service.bridge import eventually


class Replicas:
    """Bridges on one database that read one Copera."""

    def __init__(self, place: World, copera: CoperaStandIn, database: Database) -> None:
        self.place, self.copera, self.database = place, copera, database
        self._tokens = FeedTokens(place.values["bridge_secret"])

    async def get(self, bridge: Process, feed: Who, options: Options, generation: int = 0) -> Any:
        """An address as this bridge serves it: status, ETag, Last-Modified and bytes."""
        token = self._tokens.token(feed.key, generation, options)
        async with self.place.session.get(f"{bridge.url}/feeds/{token}.ics") as answer:
            told = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
            return answer.status, *told, await answer.read()

    async def filled(self, *bridges: Process) -> None:
        """Wait until these bridges serve feeds."""
        for bridge in bridges:
            await eventually(self._serves(bridge, 200))

    def _serves(self, bridge: Process, status: int, generation: int = 0) -> Callable[[], Any]:
        async def holds() -> bool:
            return bool((await self.get(bridge, ALL, Options(), generation))[0] == status)

        return holds

    async def agree(self, first: Process, second: Process) -> None:
        """Every feed is the same from either bridge, as soon as both have heard of the last change."""
        for feed in await FeedStore(self.database).generations():
            for options in (*(Options(detail) for detail in DETAILS), Options("full", 15)):
                await eventually(partial(self._agree, first, second, feed, options))

    async def _agree(self, first: Process, second: Process, feed: Who, options: Options) -> bool:
        one, other = [await self.get(bridge, feed, options) for bridge in (first, second)]
        return bool(one == other and one[0] == 200)

    async def tell(self, bridge: Process, envelope: Envelope) -> None:
        """Send a webhook to this bridge."""
        headers = {"X-Copera-Signature": sign(envelope.body, SECRET)}
        address = f"{bridge.url}/webhooks/copera"
        async with self.place.session.post(address, data=envelope.body, headers=headers) as answer:
            assert answer.status == 202

    async def holder(self) -> str | None:
        """Who refreshes at present."""
        async with self.database.read() as connection:
            row = (await connection.execute(select(mirror.c.holder, mirror.c.lease_until))).one()
        return str(row.holder) if row.lease_until else None

    async def end_lease(self) -> None:
        """Let the time pass for which a replica may refresh."""
        async with self.database.write() as connection:
            past = datetime.now(UTC) - timedelta(seconds=1)
            await connection.execute(update(mirror).values(lease_until=past))

    @property
    def listings(self) -> int:
        """How often the whole listing was read; the one that a hint asks for has an end."""
        whole = [call for call in self.copera.calls if call.method == BOOKINGS and "to" not in call.args]
        return sum(call.outcome == "ok" for call in whole)


@pytest.fixture
async def replicas(postgres_url: str, tmp_path: Path) -> AsyncIterator[Replicas]:
    copera = CoperaStandIn()
    copera.load(40)
    await copera.start()
    reading: dict[str, Any] = {"copera_api_url": copera.api_url, "copera_api_token": copera.token}
    database = await open_database(postgres_url)
    async with world(tmp_path, database_url=postgres_url, **reading) as place:
        yield Replicas(place, copera, database)
    await database.close()
    await copera.stop()


async def test_replicas_serve_the_same(replicas: Replicas) -> None:
    """Bytes, ETag and Last-Modified alike, after what one heard, too; a revoked address is so on both."""
    first, second = await asyncio.gather(replicas.place.bridge(), replicas.place.bridge())
    await replicas.filled(first, second)
    await replicas.agree(first, second)
    calendar, listings = replicas.copera.calendar, replicas.listings
    ahead = max(calendar.bookings.values(), key=lambda booking: booking.start)
    _, old, *_ = await replicas.get(second, ALL, Options())
    await replicas.tell(first, calendar.reschedule(ahead.uid, ahead.start + timedelta(hours=1)))

    async def is_news() -> bool:
        return bool((await replicas.get(second, ALL, Options()))[1] != old)

    await eventually(is_news)
    await replicas.agree(first, second)
    assert replicas.listings == listings, "no refresh was needed"
    generation = await FeedStore(replicas.database).rotate(ALL, datetime.now(UTC))
    for bridge in (first, second):
        await eventually(replicas._serves(bridge, 404))
        assert (await replicas.get(bridge, ALL, Options(), generation))[0] == 200


async def test_one_refreshes_and_the_other_takes_over(replicas: Replicas) -> None:
    """While one reads, the other leaves it alone, and reads itself when that one died and its lease ended."""
    replicas.copera.fail_next(Hang(60), BOOKINGS)
    first = await replicas.place.bridge(bridge_sync_interval=5)
    await eventually(replicas.holder)
    second = await replicas.place.bridge(bridge_sync_interval=5)
    holder = await replicas.holder()
    assert (await replicas.get(second, ALL, Options()))[0] == 503
    first.kill()
    await asyncio.sleep(1)  # the other asked long ago
    assert (await replicas.holder(), replicas.listings) == (holder, 0)
    await replicas.end_lease()
    await replicas.filled(second)
    assert replicas.listings == 1
