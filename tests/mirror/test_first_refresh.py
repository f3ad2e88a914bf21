"""The very first refresh, which stores bookings while it reads others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from bridge.sandbox.copera_api import BOOKINGS
from bridge.sandbox.faults import Refuse
from tests.mirror.conftest import Workshop

SOON = datetime.now(UTC)


async def test_the_first_refresh_stores_while_it_reads(workshop: Workshop) -> None:
    """Broken off or given up half-way, what was read is kept and not accepted; the next one has it all."""
    loaded = workshop.stand_in.load(1_150, days=20)
    late = {"match": lambda args: "cursor" in args and len(workshop.stand_in.calls) > 9}
    workshop.stand_in.fail_next(Refuse("403"), BOOKINGS, times=None, **late)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert not outcome.accepted
    assert len(await workshop.bookings.traces(SOON)) == 500
    assert (await workshop.mirror.state()).refreshed_at is None
    workshop.stand_in.clear_faults()
    assert await workshop.mirror.refresh()
    assert set(await workshop.bookings.traces(SOON)) == set(loaded)


async def test_the_first_refresh_is_given_up(workshop: Workshop) -> None:
    """Stopped while it stores: nothing goes on behind it, and the next one has all."""
    loaded = workshop.stand_in.load(1_150, days=20)
    task = asyncio.create_task(workshop.mirror.refresh())
    while not await workshop.bookings.traces(SOON):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    count = len(await workshop.bookings.traces(SOON))
    assert await workshop.mirror.refresh()
    assert 500 <= count <= len(loaded)
    assert set(await workshop.bookings.traces(SOON)) == set(loaded)
