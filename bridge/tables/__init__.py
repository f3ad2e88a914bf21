"""The tables, one module a subject; every state of the bridge can be seen in them with a SELECT."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import DateTime, Dialect, MetaData
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """An aware time in UTC: `timestamptz` on PostgreSQL, ISO text in UTC on SQLite.

    SQLAlchemy's own way to SQLite's text takes several times as long, and a delivery has a dozen times.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """To what the driver takes. Raises ValueError for a time without a zone."""
        return _to_text if dialect.name == "sqlite" else _to_utc

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        return _from_text if dialect.name == "sqlite" else None

    def process_literal_param(self, value: datetime | None, dialect: Dialect) -> str:
        raise NotImplementedError("times are always bound")


def _to_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time without a zone must not be stored")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _to_text(value: datetime | None) -> str | None:
    """Such as "2026-07-06 09:00:05.000000", which sorts. Raises ValueError for a time without a zone."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time without a zone must not be stored")
    since = value - _EPOCH
    return f"{_second(since.days * 86_400 + since.seconds)}.{since.microseconds:06d}"


@lru_cache(maxsize=1024)
def _second(number: int) -> str:
    """A second since 1970: what lies in it has this in common, and writing it takes the longest."""
    return (_EPOCH + timedelta(seconds=number)).replace(tzinfo=None).isoformat(" ", "seconds")


def _from_text(value: str | None) -> datetime | None:
    return datetime.fromisoformat(f"{value}+00:00") if value else None
