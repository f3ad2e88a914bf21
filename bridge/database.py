"""Engines, transactions and migrations, for a SQLite file and for PostgreSQL.

Knows no table. SQLite has one writer in the process and several readers (WAL); PostgreSQL has a pool.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from urllib.parse import urlencode

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bridge.sqlite_writer import SqliteWriter

T = TypeVar("T")

_BUSY_SECONDS: Final = 3
_MIGRATION_LOCK: Final = 0x626F6F6B  # any number that is ours alone among PostgreSQL's advisory locks
_CHANNEL: Final = "booking_bridge"
_NOTIFY: Final = text(f"SELECT pg_notify('{_CHANNEL}', :topic)")
_CLOCK: Final = text("SELECT clock_timestamp()")
_RECONNECT_SECONDS: Final = 2
_LOOK_SECONDS: Final = 1
_FORBIDDEN: Final = "42501"  # PostgreSQL's state for what the role may not do
_BUGS: Final = (IntegrityError, ProgrammingError, DataError)


class Unavailable(Exception):
    """The database cannot be used now; the message says why, without addresses or values."""


class Database:
    """An open, migrated database. Make one with `open_database`."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, lock: IO[str] | None) -> None:
        self._writer = writer
        self._reader = reader
        self._turn: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None
        self._lock = lock
        self._bells: dict[str, asyncio.Event] = {}
        path = writer.url.database
        self._sqlite = SqliteWriter(_sqlite_engine(path)) if self.is_sqlite and path else None
        self._log_seen = (0, 0)

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
            async with _translated(), self._writer.begin() as connection:
                yield connection
            return
        async with self._turn, _translated(), self._writer.begin() as connection:
            yield connection

    async def transact(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        """Do the work in one transaction like `write`'s, at the least cost: one hop to SQLite's thread.

        The work must not await, and may run in another thread. What is not `durable` may be lost when
        the machine dies (not the process) before the next transaction that is. Raises Unavailable.
        """
        if self._sqlite is None or self._turn is None:
            async with self.write() as connection:
                return await connection.run_sync(work)
        async with self._turn, _translated():
            return await self._sqlite.transact(work, durable=durable)

    async def empty_log(self) -> None:
        """Move SQLite's write-ahead log into the file, so that nothing erased is left in it.

        Raises Unavailable.
        """
        if self._turn is not None:
            async with self._turn, _translated(), self._writer.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await (await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")).close()

    async def append(self, table: Table, rows: Sequence[dict[str, Any]], *, key: str, topic: str) -> set[str]:
        """Insert the rows whose key is new, in a transaction of their own; those keys. Raises Unavailable."""
        if self._sqlite is None or self._turn is None:
            statement = postgresql.insert(table).on_conflict_do_nothing(index_elements=[key])
            async with self.write() as connection:
                new = set(await connection.scalars(statement.returning(table.c[key]), rows))
                await self.announce(connection, topic)
        else:
            async with self._turn, _translated():
                new = await self._sqlite.append(table, rows, key)
        self.ring(topic)
        return new

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that only reads, of one consistent state. Raises Unavailable."""
        async with _translated(), self._reader.begin() as connection:
            yield connection

    async def now(self) -> datetime:
        """The database's own clock (PostgreSQL). Raises Unavailable."""
        async with self.read() as connection:
            moment: datetime = await connection.scalar(_CLOCK)
        return moment

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

    async def wait(self, topic: str, seconds: float) -> None:
        """Return when the topic rings, at the latest after so many seconds."""
        bell = self._bell(topic)
        with suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), seconds)
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
        async with _translated():
            connection = await self._writer.raw_connection()
            driver: Any = connection.driver_connection
            connection.detach()
            driver.add_termination_listener(lambda _: closed.set())
            await driver.add_listener(_CHANNEL, lambda *heard: self.ring(heard[3]))
        try:
            await closed.wait()
        finally:
            with suppress(Exception):
                await driver.close(timeout=1)

    def _bell(self, topic: str) -> asyncio.Event:
        return self._bells.setdefault(topic, asyncio.Event())


def _stamp(path: Path) -> tuple[int, int]:
    """What changes with a file's content, zeros when there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


async def open_database(url: str, *, exclusive: bool = False, migrate: bool = True) -> Database:
    """Open the database at a URL of the settings' form and bring its tables up to date.

    `exclusive` makes sure that no other service uses the same SQLite file. Raises Unavailable, which
    then names the setting and the place, without the password.
    """
    target = _driver_url(url)
    if migrate and target.get_backend_name() == "sqlite":
        _try_file(Path(target.database or ""))
    lock = _lock_file(target) if exclusive and target.get_backend_name() == "sqlite" else None
    writer, reader = _engines(target)
    database = Database(writer, reader, lock)
    try:
        if migrate:
            async with _opening(target):
                await _migrate(writer)
    except BaseException:
        await database.close()
        raise
    return database


def _driver_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Unavailable("BRIDGE_DATABASE_URL: expected sqlite:///FILE or postgresql://…") from None
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    driver = drivers.get(parsed.get_backend_name())
    if driver is None:
        raise Unavailable("BRIDGE_DATABASE_URL: expected sqlite:///FILE or postgresql://…")
    if driver.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
        raise Unavailable("BRIDGE_DATABASE_URL: SQLite needs a file, as in sqlite:///bridge.db")
    return parsed.set(drivername=driver)


def _try_file(path: Path) -> None:
    """See that SQLite can use this file, before aiosqlite's threads, which would leave a traceback."""
    said = f"BRIDGE_DATABASE_URL: cannot use {path}"
    if not path.absolute().parent.is_dir():
        raise Unavailable(f"{said}: there is no folder {path.absolute().parent}")
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as problem:
        raise Unavailable(f"{said}: {problem}") from None


@asynccontextmanager
async def _opening(url: URL) -> AsyncIterator[None]:
    """Say of troubles where they are."""
    place = url.database if url.get_backend_name() == "sqlite" else f"PostgreSQL at {_server(url)}"
    try:
        async with _translated():
            yield
    except Unavailable as problem:
        verb = "cannot reach " if isinstance(problem.__cause__, OSError) else ""
        raise Unavailable(f"BRIDGE_DATABASE_URL: {verb}{place}: {problem}") from problem
    except ProgrammingError as problem:
        if getattr(problem.orig, "sqlstate", "") != _FORBIDDEN:
            raise
        raise Unavailable(f"BRIDGE_DATABASE_URL: {place}: {_reason(problem.orig)}") from problem


def _server(url: URL) -> str:
    host = url.host or url.query.get("host", "localhost")
    return f"[{host}]:{url.port or 5432}" if ":" in str(host) else f"{host}:{url.port or 5432}"


def _lock_file(url: URL) -> IO[str]:
    path = Path(f"{url.database}.lock")
    try:
        held = path.open("w")
    except OSError as problem:
        raise Unavailable(f"BRIDGE_DATABASE_URL: cannot write {path}: {problem.strerror}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        message = f"another booking-bridge is using {url.database}; several at once need PostgreSQL"
        raise Unavailable(message) from None
    return held


def _engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    if url.get_backend_name() != "sqlite":
        # asyncpg reads libpq's names, sslmode above all, from an address only; the rest it is given by name
        options = f"postgresql:///?{urlencode(url.query, doseq=True)}" if url.query else None
        arguments = {"timeout": _BUSY_SECONDS, "command_timeout": 30, "dsn": options}
        engine = create_async_engine(
            url.set(query={}),
            pool_size=10,
            max_overflow=5,
            pool_timeout=_BUSY_SECONDS,
            connect_args=arguments,
        )
        return engine, engine.execution_options(isolation_level="REPEATABLE READ")
    writer = create_async_engine(url, pool_size=1, max_overflow=0)
    reader = create_async_engine(url, pool_size=4, max_overflow=0)
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (reader, "BEGIN")):
        _prepare_sqlite(engine.sync_engine, begin)
    return writer, reader


def _sqlite_engine(path: str) -> Engine:
    """For the writer's own thread."""
    arguments = {"check_same_thread": False, "cached_statements": 512}
    engine = create_engine(URL.create("sqlite", database=path), connect_args=arguments)
    _prepare_sqlite(engine, "BEGIN IMMEDIATE")
    return engine


def _prepare_sqlite(engine: Engine, begin: str) -> None:
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {_BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Troubles of the database become Unavailable; our own mistakes stay what they are."""
    try:
        yield
    except _BUGS:
        raise
    except DBAPIError as problem:
        raise Unavailable(_reason(problem.orig)) from problem
    except (sqlite3.Error, PoolTimeout, OSError, TimeoutError) as problem:
        raise Unavailable(_reason(problem)) from problem


def _reason(problem: BaseException | None) -> str:
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


async def _migrate(engine: AsyncEngine) -> None:
    """Run the migrations; on PostgreSQL under an advisory lock, since replicas start together."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        await connection.run_sync(upgrade)
