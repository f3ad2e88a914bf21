"""A clock on which all replicas agree, so that leases, pacing and pauses mean the same to each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from bridge.database import Database

_PROMPT: Final = timedelta(seconds=1)
"""How long an answer may take to say what time it is: half of it is the error."""


class SharedClock:
    """The database's clock on PostgreSQL, as last compared by `set`; this machine's own on SQLite."""

    def __init__(self, database: Database, local: Callable[[], datetime]) -> None:
        self._database = database
        self._local = local
        self._ahead = timedelta(0)
        self._is_set = False

    def __call__(self) -> datetime:
        return self._local() + self._ahead

    async def set(self) -> None:
        """Compare the clocks anew, unless the answer takes long, as when this process is stopped meanwhile.

        Raises Unavailable.
        """
        if self._database.is_sqlite:
            return
        before = self._local()
        theirs = await self._database.now()
        took = self._local() - before
        if took <= _PROMPT or not self._is_set:
            self._ahead, self._is_set = theirs - (before + took / 2), True
