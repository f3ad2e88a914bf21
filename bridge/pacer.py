"""Calls to Slack leave one process so far apart that they cannot arrive too close together.

The gates in the database give permits, to all replicas alike; but between a permit and Slack a call may be
held up, by a busy machine or on its way, and then arrive together with the next. Here it takes its turn.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Final

from bridge.core.pacing import Pace, Spacing

_MOST_KEPT: Final = 500


class Pacer:
    """The posts of this process by destination, each destination at `pace`; None: unpaced."""

    def __init__(self, pace: Pace | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._clock = clock
        self._queues: dict[str, _Queue] = {}

    def turn(self, destination: str) -> AbstractAsyncContextManager[None]:
        """Wait for a turn, first come first served; the block is the call."""
        return nullcontext() if self._pace is None else self._paced(self._queue(destination, self._pace))

    @asynccontextmanager
    async def _paced(self, line: _Queue) -> AsyncIterator[None]:
        line.users += 1
        try:
            number = await line.begin()
            try:
                yield
            finally:
                line.end(number)
        finally:
            line.users -= 1

    def _queue(self, destination: str, pace: Pace) -> _Queue:
        line = self._queues.get(destination)
        if line is None:
            if len(self._queues) >= _MOST_KEPT:
                self._queues = {name: line for name, line in self._queues.items() if not line.is_idle()}
            line = self._queues[destination] = _Queue(Spacing(pace), self._clock)
        return line


class _Queue:
    """Who waits to post at one destination; `users` wait or post."""

    def __init__(self, spacing: Spacing, clock: Callable[[], float]) -> None:
        self._spacing = spacing
        self._clock = clock
        self._first = asyncio.Lock()
        self._ended = asyncio.Event()
        self.users = 0

    def is_idle(self) -> bool:
        return not self.users and self._spacing.is_rested(self._clock())

    async def begin(self) -> int:
        async with self._first:
            while (seconds := self._spacing.wait(self._clock())) > 0:
                self._ended.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if seconds == math.inf else seconds):
                        await self._ended.wait()
            return self._spacing.begin()

    def end(self, number: int) -> None:
        self._spacing.end(number, self._clock())
        self._ended.set()
