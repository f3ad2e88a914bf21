"""The service's loops end when they are told to, whatever they are doing."""

from __future__ import annotations

import asyncio

from bridge.tasks import Tasks


async def test_a_loop_that_swallows_a_cancellation_is_told_again() -> None:
    """A library's `wait_for` may: the service must not wait for ever for a loop that goes on."""
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    tasks = Tasks()
    tasks.run("deaf", deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.cancel(), 60)
    assert swallowed == 2
    assert not tasks.is_running("deaf")


async def test_some_loops_may_go_on() -> None:
    tasks = Tasks()
    for name in ("one", "other"):
        tasks.run(name, asyncio.Event().wait())  # type: ignore[arg-type]
    await tasks.cancel("one", "unknown")
    assert (tasks.is_running("one"), tasks.is_running("other")) == (False, True)
    await tasks.cancel()
