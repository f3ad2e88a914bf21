"""The loop that erases personal data after the retention, in small batches that block nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.database import Database, Unavailable
from bridge.store.erasing import Erasing
from bridge.store.facts import Facts

log = structlog.get_logger()

EVERY: Final = timedelta(hours=1)
_LOOK: Final = 300.0
_BREATH: Final = 0.05


class Retention:
    """Erases what is older than `keep`, once an hour, by one of all replicas."""

    def __init__(self, database: Database, keep: timedelta, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._erasing = Erasing(database)
        self._facts = Facts(database)
        self._keep = keep
        self._clock = clock

    async def run(self) -> None:
        """Erase for ever; a lost database is waited out."""
        while True:
            try:
                if await self._facts.take("retention", self._clock(), EVERY):
                    await self.erase()
            except Unavailable as trouble:
                self._database.log_unavailable("retention", trouble)
            await asyncio.sleep(_LOOK)

    async def erase(self) -> int:
        """Erase all that is due; how many rows were changed. Raises Unavailable."""
        before = self._clock() - self._keep
        total = 0
        for step in (
            self._erasing.events,
            self._erasing.states,
            self._erasing.names,
            self._erasing.people,
            self._erasing.rules,
            self._erasing.attempts,
        ):
            while changed := await step(before):
                total += changed
                await asyncio.sleep(_BREATH)
        if total:
            await self._erasing.finish()
            log.info("retention.erased", rows=total, before=before.isoformat())
        return total
