"""Under which names bookings were told: what `core.identity` decides on, read and kept with the routing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.bookings import Event
from bridge.core.identity import Name, Register, contact, names_of
from bridge.core.repair import SOURCE, Gist
from bridge.database import Database
from bridge.tables.delivery import booking_states
from bridge.tables.mirror import links
from bridge.tables.repair import booking_names, sightings

_MOST_ALIKE: Final = 200
"""Bookings of the same type and booker that are looked through, the latest."""

_NAME: Final = tuple(booking_names.c[name] for name in Name.__slots__)


async def load(connection: AsyncConnection, events: Sequence[Event]) -> Register:
    """What must be known to tell whom these events are about."""
    names = await _names(connection, booking_names.c.id.in_(_called(events)))
    known = {name.id for name in names}
    strangers = [event for event in events if not _called([event]) & known]
    if not strangers:
        return Register(names)
    linked = await _links(connection, _called(strangers))
    others = {one for pair in linked for one in pair}
    alike = await _alike(connection, strangers)
    found = await _names(connection, booking_names.c.id.in_(others | alike)) if others or alike else []
    names = list({name.id: name for name in (*names, *found)}.values())
    if not alike:
        return Register(names, linked)
    linked += await _links(connection, {name.id for name in found} - others)
    states = await _states(connection, {name.key for name in found})
    return Register(names, linked, states, await _mirrored(connection, strangers))


def _called(events: Sequence[Event]) -> set[str]:
    return {name for event in events for name in (*names_of(event), event.booking.id)}


async def _names(connection: AsyncConnection, which: ColumnElement[bool]) -> list[Name]:
    """All names of the bookings of which one name is among these."""
    keys = select(booking_names.c.key).where(which)
    rows = await connection.execute(select(*_NAME).where(booking_names.c.key.in_(keys)))
    return [Name(*row) for row in rows]


async def _links(connection: AsyncConnection, ids: Collection[str]) -> list[tuple[str, str]]:
    query = select(links.c.webhook_id, links.c.uid)
    rows = await connection.execute(query.where(or_(links.c.webhook_id.in_(ids), links.c.uid.in_(ids))))
    return [(row.webhook_id, row.uid) for row in rows]


async def _alike(connection: AsyncConnection, strangers: Sequence[Event]) -> set[str]:
    """Names of bookings of the same type and booker that still miss the kind of name an event gives."""
    wanted: dict[str, set[str]] = {}
    for event in strangers:
        if who := contact(event.booking):
            wanted.setdefault("webhook" if event.source == SOURCE else "uid", set()).add(who)
    kind, digest = booking_names.c.kind, booking_names.c.contact
    which = [and_(kind == wanted_kind, digest.in_(who)) for wanted_kind, who in wanted.items()]
    if not which:
        return set()
    query = select(booking_names.c.id).where(or_(*which)).order_by(booking_names.c.at.desc())
    return set(await connection.scalars(query.limit(_MOST_ALIKE)))


async def _states(connection: AsyncConnection, keys: Collection[str]) -> dict[str, Gist]:
    query = select(booking_states.c.booking_id, booking_states.c.state)
    known = query.where(booking_states.c.booking_id.in_(keys), booking_states.c.state.is_not(None))
    return {row.booking_id: Gist.read(row.state) for row in await connection.execute(known)}


async def _mirrored(connection: AsyncConnection, strangers: Sequence[Event]) -> dict[str, dict[str, Gist]]:
    who = {contact(event.booking) for event in strangers if event.source == SOURCE}
    found: dict[str, dict[str, Gist]] = {}
    if who:
        query = select(sightings.c.contact, sightings.c.uid, sightings.c.seen)
        for row in await connection.execute(query.where(sightings.c.contact.in_(who)).limit(_MOST_ALIKE)):
            found.setdefault(row.contact, {})[row.uid] = Gist.read(row.seen)
    return found


async def save(
    database: Database, connection: AsyncConnection, learnt: Collection[Name], now: datetime
) -> None:
    """Keep what was learnt of names."""
    if learnt:
        statement: Any = (sqlite if database.is_sqlite else postgresql).insert(booking_names)
        new = {name: statement.excluded[name] for name in ("key", "contact", "repaired_at", "at")}
        rows = [{field: getattr(name, field) for field in Name.__slots__} | {"at": now} for name in learnt]
        await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=new), rows)
