"""Statements that are built once: SQLAlchemy takes longer to build one than SQLite to do it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

IDS: Final = "ids"
"""The parameter of `among`."""


def among(column: ColumnElement[Any], name: str = IDS) -> ColumnElement[bool]:
    """Whether a column has one of the values that the parameter lists when the statement is executed."""
    values: BindParameter[Any] = bindparam(name, expanding=True)
    return column.in_(values)


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows of conflicts; `dialect` is "sqlite" or "postgresql"."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def upsert(dialect: str, table: Table, *keys: str) -> sqlite.Insert | postgresql.Insert:
    """Rows that take the place of what has the same key, whole."""
    statement = insert_into(dialect, table)
    values = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=values)
