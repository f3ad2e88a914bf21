"""Several replicas on one PostgreSQL: they share the work, and outlive each other and the database."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.core.pacing import CHANNEL_BURST
from bridge.database import open_database
from bridge.tables.delivery import deliveries
from tests import postgres
from tests.faults.processes import Kill
from tests.faults.world import World, gathered, world
from tests.service.bridge import PATIENT

pytestmark = pytest.mark.no_cover  # what it is about runs in processes of its own


async def test_one_of_two_replicas_is_killed(postgres_url: str, tmp_path: Path) -> None:
    """The other takes its claims over when their lease ends, and tells nothing twice."""
    async with world(tmp_path, database_url=postgres_url) as place:
        first = await place.bridge(Kill("accepted by slack", 10))
        second = await place.bridge()
        events = [
            place.send(second, "created", f"b{number}", number, bookingTypeTitle="Storm")
            for number in range(120)
        ]
        await gathered(events)
        await first.died()
        await place.settled()
        await place.check()


async def test_one_of_two_replicas_is_paused(postgres_url: str, tmp_path: Path) -> None:
    """Whatever it has locked and claimed the other takes over; when it goes on, it sends none of it, not
    even what it had begun to send."""
    async with world(tmp_path, database_url=postgres_url) as place:
        first, second = await place.bridge(), await place.bridge()
        storm = asyncio.gather(
            *(
                place.send(second, "created", f"b{number}", number, bookingTypeTitle="Storm")
                for number in range(200)
            )
        )
        async with asyncio.timeout(PATIENT):
            while not await place.look("messages"):
                await asyncio.sleep(0.01)
        os.kill(first.pid, signal.SIGSTOP)
        await storm
        await place.settled()
        os.kill(first.pid, signal.SIGCONT)
        assert await _ready(place, first.url) == 200  # it is at work again
        await place.send(first, "created", "last", 300, bookingTypeTitle="Storm")
        await place.settled()
        await place.check()


async def test_replicas_keep_to_one_pace_and_one_order(postgres_url: str, tmp_path: Path) -> None:
    """Two replicas with clocks a minute apart are permitted what one is; a booking's events keep order."""
    async with world(tmp_path, database_url=postgres_url, bridge_channel_rate=4) as place:
        first, second = await place.bridge(ahead=60), await place.bridge()
        for number in range(10):
            for booking, bridge in (("a", first), ("b", second)):
                await place.send(bridge, "rescheduled", booking, number, bookingTypeTitle="Storm")
        await place.settled()
        await place.check()
        permits = await _permits(postgres_url)
        assert len(permits) == 20
        early = permits[0] + timedelta(seconds=1 / 4) * (20 - CHANNEL_BURST)
        assert permits[-1] >= early  # by the clock that both share, whenever they came to it


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


async def _permits(url: str) -> list[datetime]:
    """When each delivery was let through the gates."""
    database = await open_database(url, migrate=False)
    async with database.read() as connection:
        moments = await connection.scalars(select(deliveries.c.claimed_at).order_by("claimed_at"))
    await database.close()
    return list(moments)


async def _ready(place: World, url: str) -> int:
    async with place.session.get(f"{url}/readyz") as answer:
        return answer.status


async def _again(place: World, url: str) -> None:
    async with asyncio.timeout(PATIENT):
        while await _ready(place, url) != 200:
            await asyncio.sleep(0.1)
