"""A flood of troubles is a few lines in the log, which together tell how many there were."""

from __future__ import annotations

import asyncio

from bridge.log_throttle import LogThrottle


async def test_every_trouble_is_counted_in_few_lines() -> None:
    """The first at once, the rest when the time is over, without waiting for another."""
    told: list[int] = []
    fold = LogThrottle(every=0.2)
    for _ in range(1_000):
        fold.add(told.append)
    assert told[0] == 1
    async with asyncio.timeout(60):
        while sum(told) < 1_000:
            await asyncio.sleep(0.05)
    assert sum(told) == 1_000
    assert len(told) < 20


def test_a_fold_outlives_its_loop() -> None:
    """What was to be told when a loop ended is told with the next trouble."""
    told: list[int] = []
    fold = LogThrottle(every=0.05)

    async def three() -> None:
        for _ in range(3):
            fold.add(told.append)

    asyncio.run(three())
    asyncio.run(asyncio.sleep(0.1))
    asyncio.run(three())
    assert sum(told) >= 4
