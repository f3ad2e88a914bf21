"""A database with a past: events that came in, were routed and told, by the thousand.

A short history is made by the real service; the database multiplies it, so that rows are as real ones.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import Table

from bridge.tables.delivery import attempts, booking_states, cards, deliveries, events
from bridge.tables.repair import booking_names
from tests.bench.delivering import channels, fill, until, with_rules
from tests.bench.processes import serving, slack

PATTERN: Final = 200
"""Events of the short history, each of its own booking and channel."""


def _digest(name: str) -> str:
    """Another digest for each copy, spread over all digests; the empty text stays."""
    return f"iif({name} = '', '', printf('%08x', (n * 2654435761) % 4294967296) || substr({name}, 9))"


def _event_id(name: str) -> str:
    """The digest in an event's id, behind its time, is another one likewise."""
    return f"substr({name}, 1, 12) || printf('%08x', (n * 2654435761) % 4294967296) || substr({name}, 21)"


def _earlier(name: str) -> str:
    """Each copy happened half an hour before the last, all within the retention."""
    return f"strftime('%Y-%m-%d %H:%M:%f000', {name}, '-' || (n * 30) || ' minutes')"


def _own(name: str) -> str:
    """Ids that sort before the later ones, as Copera's do, which begin with a time."""
    return f"printf('%06d', n) || {name}"


_COPIES: Final[Mapping[Table, Mapping[str, str]]] = {
    events: {
        "id": _event_id("id"),
        "booking_id": _own("booking_id"),
        **{name: _earlier(name) for name in ("at", "received_at", "routed_at")},
    },
    booking_states: {
        "booking_id": _own("booking_id"),
        "event_id": _event_id("event_id"),
        "at": _earlier("at"),
    },
    deliveries: {
        "id": _digest("id"),
        "event_id": _event_id("event_id"),
        "booking_id": _own("booking_id"),
        "ts": "printf('%.6f', ts - n * 1800)",
        **{
            name: _earlier(name) for name in ("next_at", "claimed_at", "lease_until", "created_at", "done_at")
        },
    },
    attempts: {"delivery_id": _digest("delivery_id"), "at": _earlier("at")},
    cards: {"booking_id": _own("booking_id"), "ts": "printf('%.6f', ts - n * 1800)"},
    booking_names: {
        "id": _own("id"),
        "key": _own("key"),
        "contact": _digest("contact"),
        "at": _earlier("at"),
    },
}


def make(folder: Path, count: int) -> Path:
    """A database in this folder in which so many events, at least PATTERN, were told long ago; its file."""
    return multiply(short(folder), count)


def short(folder: Path) -> Path:
    """A database in this folder with the short history; its file."""
    asyncio.run(fill(with_rules(str(folder)), PATTERN))
    with slack("--no-limits", *channels()) as api, serving("service", str(folder), api):
        asyncio.run(until(api, PATTERN))
    file = folder / "bridge.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


def multiply(file: Path, count: int) -> Path:
    """Let the database of a short history copy it until there are so many events; the file."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")
        for table, changed in _COPIES.items():
            connection.execute(_copying(table, changed), {"times": count // PATTERN - 1})
        connection.commit()
        stored = [
            connection.execute(f"SELECT count(*) FROM {t.name}").fetchone()[0] for t in (events, deliveries)
        ]
        told = connection.execute("SELECT count(*) FROM deliveries WHERE state = 'sent'").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert [*stored, told] == [count] * 3, (stored, told)
    return file


def _copying(table: Table, changed: Mapping[str, str]) -> str:
    """A statement that copies every row of a table so many times, each copy under names of its own."""
    names = [column.name for column in table.columns if column.name != "seq"]
    values = ", ".join(changed.get(name, name) for name in names)
    return (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :times) "
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {values} FROM numbers, {table.name} "
        "WHERE n <= :times"
    )
