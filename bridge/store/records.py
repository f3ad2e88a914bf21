"""Rows of the mirror to records and back: a booking's state, and its marks for each audience."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.feeds.entries import Entry, Mark, Record, is_off
from bridge.core.feeds.tokens import DETAILS
from bridge.core.json_body import as_json, kept
from bridge.core.reading import read_booking, write_booking
from bridge.tables.mirror import booking_hosts, bookings, farewells

SLICE: Final = 200
"""Rows named in one statement, well below SQLite's and PostgreSQL's limits on parameters."""

_STATE: Final = ("uid", "state", "first_seen", "closed_at")
_MARKS: Final = tuple(f"{detail}_{part}" for detail in DETAILS for part in ("sequence", "at"))
_ENTRY: Final = len(_STATE) + len(_MARKS)


@dataclass(frozen=True, slots=True)
class Kept:
    """A record with the digest of the answer it came from ("" after a webhook) and that answer's time."""

    record: Record
    digest: str
    read_at: datetime


def entry_columns(state: Table, *, own: bool = False) -> list[ColumnElement[Any]]:
    """What `read_entry` takes: a booking's state and its marks there, or those of a host's `own` feed."""
    marks = _own_marks() if own else [state.c[name] for name in _MARKS]
    return [*(state.c[name] for name in _STATE), *marks]


def _own_marks() -> list[ColumnElement[Any]]:
    """A row that a replica of the version before wrote has none: those of the booking stand for them."""
    return [func.coalesce(booking_hosts.c[name], bookings.c[name]) for name in _MARKS]


def read_entry(row: Sequence[Any], *, shown: bool = True) -> Entry:
    """The entry that a row begins with."""
    uid, state, first_seen, closed_at = row[: len(_STATE)]
    return Entry(
        uid,
        read_booking(kept(state)),
        *_marks(row[len(_STATE) : _ENTRY]),
        first_seen,
        closed_at,
        shown,
    )


def _marks(values: Sequence[Any]) -> tuple[Mark, Mark, Mark]:
    one, one_at, two, two_at, three, three_at = values
    return Mark(one, one_at), Mark(two, two_at), Mark(three, three_at)


async def read_kept(connection: AsyncConnection, which: ColumnElement[bool]) -> dict[str, Kept]:
    """The bookings for which `which` holds, by uid."""
    hosting = booking_hosts.c
    query = select(
        *entry_columns(bookings),
        *(bookings.c.shown, bookings.c.digest, bookings.c.read_at),
        *(hosting.host_id, *_own_marks()),
    ).join_from(bookings, booking_hosts, hosting.uid == bookings.c.uid, isouter=True)
    found: dict[str, Kept] = {}
    own: dict[str, dict[str, Entry]] = {}
    for row in (await connection.execute(query.where(which))).all():
        shown, digest, read_at, host, *marks = row[_ENTRY:]
        if row.uid not in found:
            own[row.uid] = {}
            record = Record(read_entry(row, shown=shown), own[row.uid])
            found[row.uid] = Kept(record, digest, read_at)
        if host is not None:
            full, title, busy = _marks(marks)
            own[row.uid][host] = replace(found[row.uid].record.team, full=full, title=title, busy=busy)
    return found


async def read_farewells(
    connection: AsyncConnection, which: ColumnElement[bool]
) -> dict[tuple[str, str], Entry]:
    """What hosts who lost a booking keep of it, by host and uid."""
    query = select(*entry_columns(farewells), farewells.c.host_id).where(which)
    rows = (await connection.execute(query)).all()
    return {(row.host_id, row.uid): read_entry(row) for row in rows}


async def read_known(connection: AsyncConnection, uids: Sequence[str]) -> dict[str, Kept]:
    """All that is known of these bookings, by uid, with what those who lost them keep."""
    found: dict[str, Kept] = {}
    for first in range(0, len(uids), SLICE):
        some = uids[first : first + SLICE]
        found |= await read_kept(connection, bookings.c.uid.in_(some))
        parted: dict[str, dict[str, Entry]] = {}
        if not found.keys().isdisjoint(some):
            for (host, uid), entry in (await read_farewells(connection, farewells.c.uid.in_(some))).items():
                parted.setdefault(uid, {})[host] = entry
        for uid in parted.keys() & found.keys():
            record = found[uid].record
            found[uid] = replace(found[uid], record=Record(record.team, parted[uid] | dict(record.own)))
    return found


def kept_row(kept: Kept, revision: int) -> dict[str, Any]:
    """A row of `bookings`."""
    entry = kept.record.team
    return _entry_row(entry, revision) | {
        "type_id": entry.booking.type_id,
        "live": not is_off(entry.booking),
        "shown": entry.shown,
        "digest": kept.digest,
        "read_at": kept.read_at,
    }


def host_rows(record: Record) -> Iterable[dict[str, Any]]:
    """Rows of `booking_hosts`."""
    for host, entry in record.hosting.items():
        yield {"host_id": host, "uid": record.uid} | mark_values(entry)


def farewell_rows(record: Record, revision: int) -> Iterable[dict[str, Any]]:
    """Rows of `farewells`."""
    for host, entry in record.parted.items():
        yield _entry_row(entry, revision) | {"host_id": host}


def state_of(entry: Entry) -> str:
    """A booking's state as it is stored."""
    return as_json(write_booking(entry.booking))


def _entry_row(entry: Entry, revision: int) -> dict[str, Any]:
    return {
        "uid": entry.uid,
        "state": state_of(entry),
        "start": entry.booking.start,
        **mark_values(entry),
        "first_seen": entry.first_seen,
        "closed_at": entry.closed_at,
        "revision": revision,
    }


def mark_values(entry: Entry) -> dict[str, Any]:
    """Marks as columns, in any of the three tables."""
    return {
        "full_sequence": entry.full.sequence,
        "full_at": entry.full.at,
        "title_sequence": entry.title.sequence,
        "title_at": entry.title.at,
        "busy_sequence": entry.busy.sequence,
        "busy_at": entry.busy.at,
    }
