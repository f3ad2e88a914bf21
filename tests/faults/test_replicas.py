"""Several replicas on one PostgreSQL: they share the work, and outlive each other and the database."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests import postgres
from tests.faults.processes import Kill
from tests.faults.world import World, gathered, world


async def test_one_of_two_replicas_is_killed(postgres_url: str, tmp_path: Path) -> None:
    """The other takes its claims over within fifteen seconds, and tells nothing twice."""
    async with world(tmp_path, database_url=postgres_url) as place:
        first = await place.bridge(Kill("accepted by slack", 10))
        second = await place.bridge()
        events = [
            place.send(second, "created", f"b{number}", number, bookingTypeTitle="Storm")
            for number in range(120)
        ]
        await gathered(events)
        await first.died()
        died = time.monotonic()
        await place.settled()
        assert time.monotonic() - died < 20
        await place.check()


async def test_replicas_keep_to_one_pace_and_one_order(postgres_url: str, tmp_path: Path) -> None:
    """Two replicas with clocks a minute apart send what one may, and a booking's events in order."""
    async with world(tmp_path, database_url=postgres_url, bridge_channel_rate=2) as place:
        first, second = await place.bridge(), await place.bridge()
        assert first.clock is not None
        first.clock.value = 60
        await asyncio.sleep(2.5)  # until it has compared its clock with the database's
        begun = time.monotonic()
        for number in range(7):
            for booking, bridge in (("a", first), ("b", second)):
                await place.send(bridge, "rescheduled", booking, number, bookingTypeTitle="Storm")
        await place.settled()
        assert time.monotonic() - begun >= (14 - 5) / 2 * 0.9
        await place.check()


async def test_the_database_goes_and_comes_back(
    postgres_server: postgres.Server, postgres_url: str, tmp_path: Path
) -> None:
    """Meanwhile events are refused with 503; afterwards the work goes on by itself."""
    async with world(tmp_path, database_url=postgres_url) as place:
        bridge = await place.bridge()
        assert await place.send(bridge, "created", "before", 0, bookingTypeTitle="Storm") == 202
        await asyncio.to_thread(postgres_server.stop)
        try:
            statuses = await gathered(
                [place.send(bridge, "created", f"during{number}", number) for number in range(5)]
            )
            assert statuses == [503] * 5
            assert await _ready(place, bridge.url) == 503
        finally:
            await asyncio.to_thread(postgres_server.start)
        await _again(place, bridge.url)
        assert bridge.is_alive
        assert await place.send(bridge, "created", "after", 9, bookingTypeTitle="Storm") == 202
        await place.settled()
        await place.check()


async def _ready(place: World, url: str) -> int:
    async with place.session.get(f"{url}/readyz") as answer:
        return answer.status


async def _again(place: World, url: str) -> None:
    deadline = time.monotonic() + 20
    while await _ready(place, url) != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
