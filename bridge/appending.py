"""New rows into one table, as fast as the disk allows: one hop to a thread for each transaction on SQLite.

SQLAlchemy's asynchronous way costs a dozen hops a transaction, which the receiver cannot afford. The
statement and the values still come from the table's own definition.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from sqlalchemy import Table, insert
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

_BUSY_SECONDS: Final = 3


class SqliteAppender:
    """Appends to a table of a SQLite file; a connection and a thread of its own."""

    def __init__(self, path: str, table: Table, columns: Sequence[str], key: str) -> None:
        dialect = sqlite_dialect(paramstyle="qmark")
        statement = insert(table).values(dict.fromkeys(columns))
        compiled = statement.compile(dialect=dialect)
        self._head, _, self._places = str(compiled).partition(" VALUES ")
        self._order = tuple(compiled.positiontup or ())
        kinds = {name: table.c[name].type.dialect_impl(dialect) for name in columns}
        self._processors = {
            name: processor for name, kind in kinds.items() if (processor := kind.bind_processor(dialect))
        }
        self._known = f"SELECT {key} FROM {table.name} WHERE {key} IN "  # noqa: S608 - names of ours
        self._key = key
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="append")

    async def append(self, rows: Sequence[dict[str, Any]]) -> set[str]:
        """Insert the rows whose key is new, committed and on disk; those keys. Raises sqlite3.Error."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._append, rows)

    def _append(self, rows: Sequence[dict[str, Any]]) -> set[str]:
        connection = self._connection = self._connection or self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            keys = [row[self._key] for row in rows]
            places = ",".join("?" * len(keys))
            known = {found for (found,) in connection.execute(f"{self._known}({places})", keys)}
            new = [row for row in rows if row[self._key] not in known]
            if new:
                connection.execute(self._statement(len(new)), [v for row in new for v in self._values(row)])
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        return {row[self._key] for row in new}

    def _statement(self, count: int) -> str:
        """One statement for all rows: each step of SQLite hands Python's lock over and waits for it again."""
        return f"{self._head} VALUES {','.join([self._places] * count)}"

    def _values(self, row: dict[str, Any]) -> list[Any]:
        processors = self._processors
        return [processors[name](row[name]) if name in processors else row[name] for name in self._order]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def close(self) -> None:
        """Let go of the file, after what is being written."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
