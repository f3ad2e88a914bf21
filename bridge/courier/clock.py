"""A clock on which all replicas agree, so that leases, pacing and pauses mean the same to each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bridge.database import Database


class SharedClock:
    """The database's clock on PostgreSQL, as last compared by `set`; this machine's own on SQLite."""

    def __init__(self, database: Database, local: Callable[[], datetime]) -> None:
        self._database = database
        self._local = local
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return self._local() + self._ahead

    async def set(self) -> None:
        """Compare the clocks anew. Raises Unavailable."""
        if self._database.is_sqlite:
            return
        before = self._local()
        theirs = await self._database.now()
        self._ahead = theirs - (before + (self._local() - before) / 2)
