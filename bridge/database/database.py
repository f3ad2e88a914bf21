"""Transactions, notifications and locks, for a SQLite file and for PostgreSQL alike.

Knows no table. SQLite has one writer in the process and several readers (WAL); PostgreSQL has a pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import IO, Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge.database.errors import Unavailable, translated
from bridge.database.locks import AdvisoryLocks, end_holders
from bridge.database.notifications import Notifications
from bridge.database.sqlite_writer import SqliteWriter
from bridge.log_throttle import LogThrottle

log = structlog.get_logger()

T = TypeVar("T")

_CLOCK: Final = text("SELECT clock_timestamp()")


class Database:
    """An open, migrated database. Make one with `open_database`."""

    def __init__(
        self, writer: AsyncEngine, reader: AsyncEngine, sqlite: SqliteWriter | None, lock_file: IO[str] | None
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._writing: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None
        self._lock_file = lock_file
        self._sqlite = sqlite
        self._locks = AdvisoryLocks()
        self._notifications = Notifications(writer)
        self._away = LogThrottle()
        self._waiting_parts: dict[str, None] = {}

    @property
    def is_sqlite(self) -> bool:
        return self._writer.dialect.name == "sqlite"

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self._writer.dialect.name

    @property
    def is_exclusive(self) -> bool:
        """Whether no other service can be working on this database."""
        return self._lock_file is not None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may change things; committed, on disk, when left. Raises Unavailable."""
        if self._writing is None:
            async with translated(), self._writer.begin() as connection:
                yield connection
            return
        async with self._writing, translated(), self._writer.begin() as connection:
            yield connection

    async def transact(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Do the work in one transaction like `write`'s, at the least cost: one hop to SQLite's thread.

        The work must not await, and may run in another thread. What is not `durable` may be lost when
        the machine dies (not the process) before the next transaction that is. Raises Unavailable.
        """
        if self._sqlite is None or self._writing is None:
            async with self.write() as connection:
                return await connection.run_sync(work)
        async with self._writing, translated():
            return await self._sqlite.transact(work, durable=durable)

    async def truncate_wal(self) -> None:
        """Move SQLite's write-ahead log into the file, so that nothing erased is left in it.

        Raises Unavailable.
        """
        if self._writing is not None:
            async with self._writing, translated(), self._writer.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await (await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")).close()

    async def append(self, table: Table, rows: Sequence[dict[str, Any]], *, key: str, topic: str) -> set[str]:
        """Insert the rows whose key is new, in a transaction of their own; those keys. Raises Unavailable."""
        if self._sqlite is None or self._writing is None:
            async with self.write() as connection:
                new = await connection.run_sync(_append_new, table, rows, key)
                await connection.run_sync(self.notify, topic)
        else:
            async with self._writing, translated():
                new = await self._sqlite.append(table, rows, key)
        self.wake(topic)
        return new

    def append_within(
        self, connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *, key: str
    ) -> None:
        """Insert rows whose keys are new the way `append` does, within `transact`."""
        if self._sqlite is None:
            _append_new(connection, table, rows, key)
        else:
            self._sqlite.append_within(connection, table, rows, key)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads, of one consistent state. Raises Unavailable."""
        async with translated(), self._reader.begin() as connection:
            yield connection

    @asynccontextmanager
    async def look(self) -> AsyncIterator[AsyncConnection]:
        """A connection for a single statement that reads; on PostgreSQL at a third of what `read` costs,
        since no transaction begins and ends around it. Raises Unavailable.
        """
        if self.is_sqlite:
            async with self.read() as connection:
                yield connection
            return
        async with translated(), self._reader.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    async def now(self) -> datetime:
        """The database's own clock (PostgreSQL). Raises Unavailable."""
        async with self.look() as connection:
            moment: datetime = await connection.scalar(_CLOCK)
        return moment

    def log_unavailable(self, part: str, trouble: Unavailable) -> None:
        """Log that a part of the service waits for the database; all parts share a line in ten seconds."""

        def tell(times: int) -> None:
            parts, self._waiting_parts = ", ".join(self._waiting_parts), {}
            log.warning("database.unavailable", parts=parts, problem=str(trouble), times=times)

        self._waiting_parts[part] = None
        self._away.add(tell)

    def hurry(self) -> None:
        """Wait for nobody much longer: the process is ending."""
        if self._sqlite is not None:
            self._sqlite.hurry()

    async def close(self) -> None:
        if self._sqlite is not None:
            self._sqlite.close()
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()
        if self._lock_file is not None:
            self._lock_file.close()

    def wake(self, topic: str) -> None:
        """Wake whoever waits for this topic in this process."""
        self._notifications.wake(topic)

    def notify(self, connection: Connection, topic: str) -> None:
        """Wake whoever waits for this topic in other processes, when the transaction commits."""
        self._notifications.notify(connection, topic)

    async def wait(self, topic: str, seconds: float) -> None:
        """Return when the topic is notified, at the latest after so many seconds."""
        await self._notifications.wait(topic, seconds)

    async def listen(self) -> None:
        """Wake here whom other processes notify, for ever; waits out lost connections."""
        await self._notifications.listen()

    def lock(self, connection: Connection, number: int) -> None:
        """Within `transact`: hold a lock among all replicas until the transaction ends."""
        if not self.is_sqlite:  # which lets only one in anyhow
            self._locks.take(connection, number)

    async def end_stale_locks(self) -> None:
        """End the locks that this process waits for and whose holder has stopped. Raises Unavailable."""
        if overdue := self._locks.overdue():
            async with self.write() as connection:
                ended = await connection.run_sync(end_holders, overdue)
            if ended:
                log.warning("database.stale_lock_ended", reason="its holder has stopped", sessions=ended)


def _append_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], key: str) -> set[str]:
    """PostgreSQL's way to insert the rows whose key is new; those keys."""
    statement = postgresql.insert(table).on_conflict_do_nothing(index_elements=[key])
    return set(connection.scalars(statement.returning(table.c[key]), rows))
