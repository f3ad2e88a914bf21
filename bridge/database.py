"""Transactions and what wakes other processes, for a SQLite file and for PostgreSQL.

Knows no table. SQLite has one writer in the process and several readers (WAL); PostgreSQL has a pool.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge.folding import Fold
from bridge.sqlite_writer import SqliteWriter

log = structlog.get_logger()

T = TypeVar("T")

_CHANNEL: Final = "booking_bridge"
_NOTIFY: Final = text(f"SELECT pg_notify('{_CHANNEL}', :topic)")
_TURN: Final = text("SELECT pg_advisory_xact_lock(CAST(:number AS bigint))")
_END_TURNS: Final = text("""
    SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND (CAST(CAST(classid AS bigint) << 32 | CAST(objid AS bigint) AS bigint)) = ANY(:numbers)
        AND datname = current_database() AND database = datid AND usename = current_user
        AND wait_event = 'ClientRead' AND xact_start < clock_timestamp() - make_interval(secs => :seconds)
""")
_LONG_TURN: Final = 8.0
_CLOCK: Final = text("SELECT clock_timestamp()")
_RECONNECT_SECONDS: Final = 2
_LOOK_SECONDS: Final = 1
_BUGS: Final = (IntegrityError, ProgrammingError, DataError)


class Unavailable(Exception):
    """The database cannot be used now; the message says why, without addresses or values."""


class Database:
    """An open, migrated database. Make one with `open_database`."""

    def __init__(
        self, writer: AsyncEngine, reader: AsyncEngine, sqlite: SqliteWriter | None, lock: IO[str] | None
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._turn: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None
        self._lock = lock
        self._bells: dict[str, asyncio.Event] = {}
        self._turns: list[tuple[int, float]] = []  # which are waited for, since when
        self._sqlite = sqlite
        self._log_seen = (0, 0)
        self._away = Fold()
        self._waiting_parts: dict[str, None] = {}

    @property
    def is_sqlite(self) -> bool:
        return self._writer.dialect.name == "sqlite"

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self._writer.dialect.name

    @property
    def is_alone(self) -> bool:
        """Whether no other service can be working on this database."""
        return self._lock is not None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that may change things; committed, on disk, when left. Raises Unavailable."""
        if self._turn is None:
            async with translated(), self._writer.begin() as connection:
                yield connection
            return
        async with self._turn, translated(), self._writer.begin() as connection:
            yield connection

    async def transact(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Do the work in one transaction like `write`'s, at the least cost: one hop to SQLite's thread.

        The work must not await, and may run in another thread. What is not `durable` may be lost when
        the machine dies (not the process) before the next transaction that is. Raises Unavailable.
        """
        if self._sqlite is None or self._turn is None:
            async with self.write() as connection:
                return await connection.run_sync(work)
        async with self._turn, translated():
            return await self._sqlite.transact(work, durable=durable)

    async def empty_log(self) -> None:
        """Move SQLite's write-ahead log into the file, so that nothing erased is left in it.

        Raises Unavailable.
        """
        if self._turn is not None:
            async with self._turn, translated(), self._writer.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await (await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")).close()

    async def append(self, table: Table, rows: Sequence[dict[str, Any]], *, key: str, topic: str) -> set[str]:
        """Insert the rows whose key is new, in a transaction of their own; those keys. Raises Unavailable."""
        if self._sqlite is None or self._turn is None:
            async with self.write() as connection:
                new = await connection.run_sync(_append_new, table, rows, key)
                await self.announce(connection, topic)
        else:
            async with self._turn, translated():
                new = await self._sqlite.append(table, rows, key)
        self.ring(topic)
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

    async def now(self) -> datetime:
        """The database's own clock (PostgreSQL). Raises Unavailable."""
        async with self.read() as connection:
            moment: datetime = await connection.scalar(_CLOCK)
        return moment

    def tell_away(self, part: str, trouble: Unavailable) -> None:
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
        if self._lock is not None:
            self._lock.close()

    def ring(self, topic: str) -> None:
        """Wake whoever waits for this topic in this process."""
        self._bell(topic).set()

    async def announce(self, connection: AsyncConnection, topic: str) -> None:
        """Wake whoever waits for this topic in other processes, when the transaction commits."""
        await connection.run_sync(self.notify, topic)

    def notify(self, connection: Connection, topic: str) -> None:
        """As `announce`, within `transact`."""
        if not self.is_sqlite:
            connection.execute(_NOTIFY, {"topic": topic})

    def take_turn(self, connection: Connection, number: int) -> None:
        """Within `transact`: let nobody else into the same turn, among all replicas, until it ends."""
        if self.is_sqlite:  # which lets only one in anyhow
            return
        waiting = (number, time.monotonic())
        self._turns.append(waiting)
        try:
            connection.execute(_TURN, {"number": number})
        finally:
            self._turns.remove(waiting)

    async def end_turns(self) -> None:
        """End the turns that this process waits for and in which another one stopped. Raises Unavailable.

        PostgreSQL by itself ends only what is idle, not what stopped between the parts of a statement.
        """
        long_ago = time.monotonic() - _LONG_TURN
        numbers = {number for number, since in self._turns if since < long_ago}
        if numbers:
            async with self.write() as connection:
                values = {"numbers": sorted(numbers), "seconds": _LONG_TURN}
                ended = await connection.scalar(_END_TURNS, values)
            if ended:
                log.warning("database.turn_ended", reason="another replica stopped in it", sessions=ended)

    async def wait(self, topic: str, seconds: float) -> None:
        """Return when the topic rings, at the latest after so many seconds."""
        bell = self._bell(topic)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await bell.wait()
        bell.clear()

    async def listen(self) -> None:
        """Ring here what other processes announce, for ever; waits out lost connections (PostgreSQL).

        SQLite announces nothing, but its write-ahead log changes when another process writes.
        """
        while self.is_sqlite:
            await self._look_at_log()
        while True:
            with suppress(Unavailable):
                await self._listen_once()
            self._ring_all()  # something may have been missed
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _look_at_log(self) -> None:
        seen = _stamp(Path(f"{self._writer.url.database}-wal"))
        if seen != self._log_seen:
            self._log_seen = seen
            self._ring_all()
        await asyncio.sleep(_LOOK_SECONDS)

    def _ring_all(self) -> None:
        for bell in self._bells.values():
            bell.set()

    async def _listen_once(self) -> None:
        closed = asyncio.Event()
        async with translated():
            driver = await self._connected()
            driver.add_termination_listener(lambda _: closed.set())
            await driver.add_listener(_CHANNEL, lambda *heard: self.ring(heard[3]))
        try:
            await closed.wait()
        finally:
            with suppress(Exception):
                await driver.close(timeout=1)

    async def _connected(self) -> Any:
        """A connection of asyncpg's outside the pool; what the server refuses it with is not SQLAlchemy's."""
        try:
            connection = await self._writer.raw_connection()
        except self._writer.dialect.loaded_dbapi.Error as refused:
            raise Unavailable(reason(refused)) from refused
        driver = connection.driver_connection
        connection.detach()
        return driver

    def _bell(self, topic: str) -> asyncio.Event:
        return self._bells.setdefault(topic, asyncio.Event())


def _append_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], key: str) -> set[str]:
    """PostgreSQL's way to insert the rows whose key is new; those keys."""
    statement = postgresql.insert(table).on_conflict_do_nothing(index_elements=[key])
    return set(connection.scalars(statement.returning(table.c[key]), rows))


def _stamp(path: Path) -> tuple[int, int]:
    """What changes with a file's content, zeros when there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Troubles of the database become Unavailable; our own mistakes stay what they are."""
    try:
        yield
    except _BUGS:
        raise
    except DBAPIError as problem:
        raise Unavailable(reason(problem.orig)) from problem
    except (sqlite3.Error, PoolTimeout, OSError, TimeoutError) as problem:
        raise Unavailable(reason(problem)) from problem


def reason(problem: BaseException | None) -> str:
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, OSError):
        number = re.search(r"\[Errno (\d+)\]", str(problem))  # the first of several addresses' too
        if number:
            return os.strerror(int(number[1]))
        if problem.strerror:
            return problem.strerror
    said = str(problem).splitlines()[0] if problem and str(problem) else type(problem).__name__
    return said.removeprefix("<class '").split("'>: ")[-1][:200]
