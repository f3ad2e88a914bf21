"""Opening a database: which driver, with what settings, brought up to date by the migrations."""

from __future__ import annotations

import fcntl
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode

import asyncpg
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bridge.database.database import Database
from bridge.database.errors import Unavailable, reason, translated
from bridge.database.sqlite_writer import SqliteWriter
from bridge.database.upgrade import TooNew, upgrade

_BUSY_SECONDS: Final = 3
_DETAIL: Final = re.compile(r"(?s)\nDETAIL:.*|(?<=query argument )\$.*")
_STILLNESS: Final = """
SET idle_in_transaction_session_timeout = '8s';
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3
"""
"""PostgreSQL ends what a process left undone that was stopped, or whose machine is gone: its locks would else
keep the other replicas out for hours."""

_FORBIDDEN: Final = "42501"  # PostgreSQL's state for what the role may not do


async def open_database(url: str, *, exclusive: bool = False, migrate: bool = True) -> Database:
    """Open the database at a URL of the settings' form and bring its tables up to date.

    `exclusive` makes sure that no other service uses the same SQLite file. Raises Unavailable and TooNew,
    which then name the setting and the place, without the password.
    """
    target = _driver_url(url)
    is_sqlite = target.get_backend_name() == "sqlite"
    if migrate and is_sqlite:
        _try_file(Path(target.database or ""))
    lock = _lock_file(target) if exclusive and is_sqlite else None
    writer, reader = _engines(target)
    sqlite = SqliteWriter(_sqlite_engine(target.database or "")) if is_sqlite else None
    database = Database(writer, reader, sqlite, lock)
    try:
        if migrate:
            async with _opening(target):
                await _migrate(target, writer)
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
        async with translated():
            yield
    except Unavailable as problem:
        verb = "cannot reach " if isinstance(problem.__cause__, OSError) else ""
        raise Unavailable(f"BRIDGE_DATABASE_URL: {verb}{place}: {problem}") from problem
    except TooNew as problem:
        raise TooNew(f"BRIDGE_DATABASE_URL: {place}: {problem}; {problem.remedy}") from None
    except ProgrammingError as problem:
        if getattr(problem.orig, "sqlstate", "") != _FORBIDDEN:
            raise
        raise Unavailable(f"BRIDGE_DATABASE_URL: {place}: {reason(problem.orig)}") from problem


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
        used = f"another booking-bridge is using {url.database}; several at once need PostgreSQL"
        raise Unavailable(f"BRIDGE_DATABASE_URL: {used}") from None
    return held


def _engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    """For writing and for reading. Errors, which may get into the log, do not quote a statement's values."""
    if url.get_backend_name() != "sqlite":
        pool = {"pool_size": 10, "max_overflow": 5, "pool_timeout": _BUSY_SECONDS}
        engine = _postgres_engine(url, command_seconds=30, **pool)
        return engine, engine.execution_options(isolation_level="REPEATABLE READ")
    writer = create_async_engine(url, hide_parameters=True, pool_size=1, max_overflow=0)
    reader = create_async_engine(url, hide_parameters=True, pool_size=4, max_overflow=0)
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (reader, "BEGIN")):
        _prepare_sqlite(engine.sync_engine, begin)
    return writer, reader


def _postgres_engine(url: URL, *, command_seconds: float | None, **pool: Any) -> AsyncEngine:
    # asyncpg reads libpq's names, sslmode above all, from an address only; the rest it is given by name
    options = f"postgresql:///?{urlencode(url.query, doseq=True)}" if url.query else None
    arguments = {"timeout": _BUSY_SECONDS, "command_timeout": command_seconds, "dsn": options}
    engine = create_async_engine(url.set(query={}), hide_parameters=True, connect_args=arguments, **pool)
    event.listen(engine.sync_engine, "handle_error", _cut_details)
    if command_seconds is not None:
        event.listen(engine.sync_engine, "connect", _limit_stillness)
    return engine


def _limit_stillness(connection: Any, _record: object) -> None:
    """Raises OSError when the server is gone again: asyncpg's own errors are not translated on this way."""
    try:
        connection.run_async(lambda driver: driver.execute(_STILLNESS))
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        raise ConnectionError(reason(problem)) from problem


async def _migrate(url: URL, writer: AsyncEngine) -> None:
    """Upgrade. PostgreSQL has all the time it takes, for a large table's index or another replica's turn."""
    if url.get_backend_name() == "sqlite":
        await upgrade(writer)
        return
    patient = _postgres_engine(url, command_seconds=None, poolclass=NullPool)
    try:
        await upgrade(patient)
    finally:
        await patient.dispose()


def _cut_details(context: ExceptionContext) -> None:
    """Take the values of the refused row, which PostgreSQL and asyncpg quote, out of an error."""
    quoting: list[Any] = [context.sqlalchemy_exception] if context.sqlalchemy_exception else []
    error: BaseException | None = context.original_exception
    while error is not None:
        quoting.append(error)
        error = error.__cause__
    for one in quoting:
        if isinstance(getattr(one, "detail", None), str):
            one.detail = None
        one.args = tuple(_DETAIL.sub("", part) if isinstance(part, str) else part for part in one.args)


def _sqlite_engine(path: str) -> Engine:
    """For the writer's own thread."""
    arguments = {"check_same_thread": False, "cached_statements": 512}
    engine = create_engine(URL.create("sqlite", database=path), hide_parameters=True, connect_args=arguments)
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
