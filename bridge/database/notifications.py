"""Notifications: a wait for a topic ends when something happened to it, here or in another process.

PostgreSQL carries them between processes (NOTIFY and LISTEN). SQLite has no such thing, but its write-ahead
log changes when another process writes. None is promised to arrive: whoever waits looks again after a while.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge.database.errors import Unavailable, reason, translated

_CHANNEL: Final = "booking_bridge"
_NOTIFY: Final = text(f"SELECT pg_notify('{_CHANNEL}', :topic)")
_RECONNECT_SECONDS: Final = 2
_LOOK_SECONDS: Final = 1


class Notifications:
    """The topics of one process, and its way to those of other processes on the same database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._topics: dict[str, asyncio.Event] = {}
        self._log_seen = (0, 0)

    def wake(self, topic: str) -> None:
        """End the waits for this topic in this process."""
        self._topic(topic).set()

    def notify(self, connection: Connection, topic: str) -> None:
        """End the waits for this topic in other processes, when the connection's transaction commits."""
        if not self._is_sqlite:
            connection.execute(_NOTIFY, {"topic": topic})

    async def wait(self, topic: str, seconds: float) -> None:
        """Return when something happened to the topic, at the latest after so many seconds."""
        happened = self._topic(topic)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await happened.wait()
        happened.clear()

    async def listen(self) -> None:
        """Wake here whom other processes notify, for ever; waits out lost connections (PostgreSQL)."""
        while self._is_sqlite:
            await self._look_at_log()
        while True:
            with suppress(Unavailable):
                await self._listen_once()
            self._wake_all()  # something may have been missed
            await asyncio.sleep(_RECONNECT_SECONDS)

    def _topic(self, topic: str) -> asyncio.Event:
        return self._topics.setdefault(topic, asyncio.Event())

    def _wake_all(self) -> None:
        for happened in self._topics.values():
            happened.set()

    async def _look_at_log(self) -> None:
        seen = _stamp(Path(f"{self._engine.url.database}-wal"))
        if seen != self._log_seen:
            self._log_seen = seen
            self._wake_all()
        await asyncio.sleep(_LOOK_SECONDS)

    async def _listen_once(self) -> None:
        closed = asyncio.Event()
        async with translated():
            driver = await self._connected()
            driver.add_termination_listener(lambda _: closed.set())
            await driver.add_listener(_CHANNEL, lambda *notification: self.wake(notification[3]))
        try:
            await closed.wait()
        finally:
            with suppress(Exception):  # it is lost already, or is not needed any more
                await driver.close(timeout=1)

    async def _connected(self) -> Any:
        """A connection of asyncpg's outside the pool; what the server refuses it with is not SQLAlchemy's."""
        try:
            connection = await self._engine.raw_connection()
        except self._engine.dialect.loaded_dbapi.Error as refused:
            raise Unavailable(reason(refused)) from refused
        driver = connection.driver_connection
        connection.detach()
        return driver


def _stamp(path: Path) -> tuple[int, int]:
    """What changes with a file's content, zeros when there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
