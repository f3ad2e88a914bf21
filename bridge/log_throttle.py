"""Repeated troubles make a log line now and then, so that a flood of them is a few lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

EVERY: Final = 10.0
"""Seconds."""


class LogThrottle:
    """Tells the first trouble at once and then, at most every so many seconds, how many there were.

    The last of them is told too, without waiting for another. Used in a running event loop.
    """

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._next = 0.0
        self._times = 0
        self._tell: Callable[[int], None] = lambda times: None
        self._is_awaited = False

    def add(self, tell: Callable[[int], None]) -> None:
        """One more. `tell` writes the line, given how many there were since the last."""
        self._times += 1
        self._tell = tell
        now = time.monotonic()
        if now >= self._next:
            self._say()
        elif not self._is_awaited:
            self._is_awaited = True
            asyncio.get_running_loop().call_later(self._next - now, self._end)

    def _end(self) -> None:
        if self._times:
            self._say()
        self._is_awaited = False

    def _say(self) -> None:
        times, self._times = self._times, 0
        self._next = time.monotonic() + self._every
        self._is_awaited = False
        self._tell(times)
