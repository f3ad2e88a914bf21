"""SQLite's one writer: a thread of its own with one connection, and one hop to it for each transaction.

SQLAlchemy's asynchronous way costs a dozen hops a transaction, which neither the receiver nor the
courier can afford. Statements and values still come from the tables' own definitions.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, Table, insert
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

_FULL: Final = "FULL"
_NORMAL: Final = "NORMAL"
_HURRY: Final = 300  # milliseconds


class SqliteWriter:
    """Transactions on a SQLite file, one after the other. `engine` opens the connection when needed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._synchronous = _FULL
        self._appenders: dict[str, _Appender] = {}
        self._is_hurried = False
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    async def transact(self, work: Callable[[Connection], T], *, durable: bool) -> T:
        """Do the work in one transaction and commit it.

        A transaction that is not `durable` may be lost when the machine (not the process) dies before
        the next durable one. Raises sqlite3.Error, DBAPIError, and what the work raises.
        """
        return await self._hop(self._transact, work, durable)

    async def append(self, table: Table, rows: Sequence[dict[str, Any]], key: str) -> set[str]:
        """Insert the rows whose key is new, committed and on disk; those keys. Raises sqlite3.Error."""
        return await self._hop(self._append, table, rows, key)

    async def _hop(self, function: Callable[..., T], *arguments: object) -> T:
        if self._is_closed:
            raise sqlite3.ProgrammingError("the database is closed")
        done = asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait([done])  # the file is in use until then
            raise

    def _transact(self, work: Callable[[Connection], T], durable: bool) -> T:
        connection = self._open(_FULL if durable else _NORMAL)
        try:
            with connection.begin():
                return work(connection)
        except (DBAPIError, sqlite3.Error):
            self._forget()  # what is wrong with it may have gone with the next one
            raise

    def append_within(
        self, connection: Connection, table: Table, rows: Sequence[dict[str, Any]], key: str
    ) -> None:
        """Insert rows that are new in a transaction of `transact`. Raises sqlite3.Error."""
        self._appender(table, rows, key).insert(connection.connection.driver_connection, rows)

    def _append(self, table: Table, rows: Sequence[dict[str, Any]], key: str) -> set[str]:
        driver: Any = self._open(_FULL).connection.driver_connection
        try:
            return self._appender(table, rows, key).append(driver, rows)
        except sqlite3.Error:
            self._forget()
            raise

    def _appender(self, table: Table, rows: Sequence[dict[str, Any]], key: str) -> _Appender:
        appender = self._appenders.get(table.name)
        if appender is None:
            appender = self._appenders[table.name] = _Appender(table, list(rows[0]), key)
        return appender

    def _open(self, synchronous: str) -> Connection:
        if self._connection is None:
            self._connection, self._synchronous = self._engine.connect(), _FULL
        driver: Any = self._connection.connection.driver_connection
        if self._is_hurried:
            driver.execute(f"PRAGMA busy_timeout = {_HURRY}")
        if synchronous != self._synchronous:
            driver.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        return self._connection

    def hurry(self) -> None:
        """From now on wait but briefly where another process holds the file: this one is ending."""
        self._is_hurried = True

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        """Let go of the file, after what is being written."""
        if self._is_closed:
            return
        self._is_closed = True
        self._thread.submit(self._forget)
        self._thread.shutdown()
        self._engine.dispose()


class _Appender:
    """New rows into one table with as few steps of SQLite as can be."""

    def __init__(self, table: Table, columns: Sequence[str], key: str) -> None:
        dialect = sqlite_dialect(paramstyle="qmark")
        compiled = insert(table).values(dict.fromkeys(columns)).compile(dialect=dialect)
        self._head, _, self._places = str(compiled).partition(" VALUES ")
        order = tuple(compiled.positiontup or ())
        self._in_order = itemgetter(*order)
        kinds = [table.c[name].type.dialect_impl(dialect) for name in order]
        self._processors = [
            (place, processor)
            for place, kind in enumerate(kinds)
            if (processor := kind.bind_processor(dialect))
        ]
        self._known = f"SELECT {key} FROM {table.name} WHERE {key} IN "  # noqa: S608 - names of ours
        self._key = key

    def append(self, driver: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> set[str]:
        """One statement, which is its own transaction, as long as every key is new.

        Each step of SQLite hands Python's lock over and waits for it again, up to the switch interval.
        """
        try:
            self.insert(driver, rows)
        except sqlite3.IntegrityError:  # nothing was inserted
            return self._append_unknown(driver, rows)
        return {row[self._key] for row in rows}

    def _append_unknown(self, driver: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> set[str]:
        """The rows without those whose key is known, in one transaction."""
        driver.execute("BEGIN IMMEDIATE")
        try:
            keys = [row[self._key] for row in rows]
            places = ",".join("?" * len(keys))
            known = {found for (found,) in driver.execute(f"{self._known}({places})", keys)}
            new = [row for row in rows if row[self._key] not in known]
            if new:
                self.insert(driver, new)
            driver.execute("COMMIT")
        except BaseException:
            driver.rollback()
            raise
        return {row[self._key] for row in new}

    def insert(self, driver: Any, rows: Sequence[dict[str, Any]]) -> None:
        """One statement; raises sqlite3.IntegrityError, and inserts nothing, when a key is known."""
        statement = f"{self._head} VALUES {','.join([self._places] * len(rows))}"
        values: list[Any] = []
        for row in rows:
            begin = len(values)
            values += self._in_order(row)
            for place, processor in self._processors:
                values[begin + place] = processor(values[begin + place])
        driver.execute(statement, values)
