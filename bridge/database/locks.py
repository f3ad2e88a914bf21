"""Advisory locks, with which the replicas on one PostgreSQL take turns (docs: "Explicit Locking").

SQLite needs none: it lets only one transaction write at a time.
"""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import Connection, text

_LOCK: Final = text("SELECT pg_advisory_xact_lock(CAST(:number AS bigint))")
_END_HOLDERS: Final = text("""
    SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND (CAST(CAST(classid AS bigint) << 32 | CAST(objid AS bigint) AS bigint)) = ANY(:numbers)
        AND datname = current_database() AND database = datid AND usename = current_user
        AND wait_event = 'ClientRead' AND xact_start < clock_timestamp() - make_interval(secs => :seconds)
""")
_LONG: Final = 8.0
"""Seconds in which whoever holds a lock has either let go of it or stopped."""


class AdvisoryLocks:
    """The locks of one process; each is a number that all replicas know."""

    def __init__(self) -> None:
        self._waits: list[tuple[int, float]] = []  # which are waited for, since when

    def take(self, connection: Connection, number: int) -> None:
        """Wait for a lock and hold it until the connection's transaction ends."""
        waiting = (number, time.monotonic())
        self._waits.append(waiting)
        try:
            connection.execute(_LOCK, {"number": number})
        finally:
            self._waits.remove(waiting)

    def overdue(self) -> list[int]:
        """The locks that this process has waited for for too long, sorted."""
        long_ago = time.monotonic() - _LONG
        return sorted({number for number, since in self._waits if since < long_ago})


def end_holders(connection: Connection, numbers: list[int]) -> int:
    """End the sessions that hold these locks and have stopped; how many there were.

    One stopped when it has sent nothing in a long transaction that waits for its next statement.
    PostgreSQL by itself ends only what is idle, not what stopped between the parts of a statement.
    """
    return connection.scalar(_END_HOLDERS, {"numbers": numbers, "seconds": _LONG}) or 0
