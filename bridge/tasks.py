"""The service's loops: started by name, watched, and stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

log = structlog.get_logger()

_AGAIN: Final = 1.0


class Tasks:
    """Loops that are to run for as long as the service does."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed = asyncio.Event()

    @property
    def began(self) -> bool:
        """Whether anything was started."""
        return bool(self._tasks)

    @property
    def names(self) -> set[str]:
        """All that were started."""
        return set(self._tasks)

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Start a loop under a name."""
        task = self._tasks[name] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A loop that dies takes the service down, so that a supervisor starts it anew."""
        if not task.cancelled() and task.exception() is not None:
            log.error("service.failed", part=task.get_name(), exc_info=task.exception())
            self._failed.set()

    async def wait(self, stop: asyncio.Event) -> bool:
        """Return when told to stop (True), or when a loop has failed (False)."""
        waiting = [asyncio.create_task(event.wait()) for event in (stop, self._failed)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        return not self._failed.is_set()

    def is_running(self, name: str) -> bool:
        return name in self._tasks and not self._tasks[name].done()

    async def finish(self, name: str, seconds: float) -> None:
        """Wait for a loop that was told to stop, so many seconds at most."""
        await asyncio.wait((self._tasks[name],), timeout=seconds)

    async def cancel(self, *names: str) -> None:
        """Stop these loops, all when none is named."""
        waiting = {self._tasks[name] for name in names or self._tasks if name in self._tasks}
        while waiting:
            for task in waiting:
                task.cancel()  # again, should it have been swallowed: `wait_for` of Python 3.11 can do that
            _, waiting = await asyncio.wait(waiting, timeout=_AGAIN)
