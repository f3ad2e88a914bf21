"""Under which names bookings were told: what `core.identity` decides on, read and kept with the routing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, and_, func, or_, select

from bridge.core.bookings import Event
from bridge.core.identity import Name, Register, contact, names_of
from bridge.core.repair import SOURCE, Gist
from bridge.database import Database
from bridge.store.statements import IDS, among, upsert
from bridge.tables.delivery import booking_states
from bridge.tables.mirror import links
from bridge.tables.repair import booking_names, sightings

_MOST_ALIKE: Final = 200
"""Bookings of the same type and booker that are looked through, the latest."""

_NAME: Final = tuple(booking_names.c[name] for name in Name.__slots__)


_called: Final = booking_names.alias("called")
_SHARING: Final = select(*_NAME).where(
    booking_names.c.key.in_(select(_called.c.key).where(among(_called.c.id)))
)
_LINKS: Final = select(links.c.webhook_id, links.c.uid).where(
    or_(among(links.c.webhook_id), among(links.c.uid, "uids"))
)
_ALIKE: Final = (
    select(booking_names.c.id)
    .where(
        or_(
            and_(booking_names.c.kind == "webhook", among(booking_names.c.contact, "by_repair")),
            and_(booking_names.c.kind == "uid", among(booking_names.c.contact, "by_webhook")),
        )
    )
    .order_by(booking_names.c.at.desc())
    .limit(_MOST_ALIKE)
)
_GIST: Final = func.coalesce(booking_states.c.state, booking_states.c.gist)
_STATES: Final = select(booking_states.c.booking_id, _GIST.label("state")).where(
    among(booking_states.c.booking_id), _GIST.is_not(None)
)
_SEEN: Final = (
    select(sightings.c.contact, sightings.c.uid, sightings.c.seen)
    .where(among(sightings.c.contact))
    .limit(_MOST_ALIKE)
)


def load(connection: Connection, events: Sequence[Event]) -> Register:
    """What must be known to tell whom these events are about."""
    names = _names(connection, _all_called(events))
    known = {name.id for name in names}
    strangers = [event for event in events if not _all_called([event]) & known]
    if not strangers:
        return Register(names)
    linked = _links(connection, _all_called(strangers))
    others = {one for pair in linked for one in pair}
    alike = _alike(connection, strangers)
    found = _names(connection, others | alike) if others or alike else []
    names = list({name.id: name for name in (*names, *found)}.values())
    if not alike:
        return Register(names, linked)
    linked += _links(connection, {name.id for name in found} - others)
    states = _states(connection, {name.key for name in found})
    return Register(names, linked, states, _mirrored(connection, strangers))


def _all_called(events: Sequence[Event]) -> set[str]:
    return {name for event in events for name in (*names_of(event), event.booking.id)}


def _names(connection: Connection, ids: Collection[str]) -> list[Name]:
    """All names of the bookings of which one name is among these."""
    return [Name(*row) for row in connection.execute(_SHARING, {IDS: list(ids)})]


def _links(connection: Connection, ids: Collection[str]) -> list[tuple[str, str]]:
    rows = connection.execute(_LINKS, {IDS: list(ids), "uids": list(ids)})
    return [(row.webhook_id, row.uid) for row in rows]


def _alike(connection: Connection, strangers: Sequence[Event]) -> set[str]:
    """Names of bookings of the same type and booker that still miss the kind of name an event gives."""
    wanted: dict[str, set[str]] = {"by_repair": set(), "by_webhook": set()}
    for event in strangers:
        if who := contact(event.booking):
            wanted["by_repair" if event.source == SOURCE else "by_webhook"].add(who)
    if not any(wanted.values()):
        return set()
    return set(connection.scalars(_ALIKE, {name: list(who) for name, who in wanted.items()}))


def _states(connection: Connection, keys: Collection[str]) -> dict[str, Gist]:
    rows = connection.execute(_STATES, {IDS: list(keys)})
    return {row.booking_id: Gist.read(row.state) for row in rows}


def _mirrored(connection: Connection, strangers: Sequence[Event]) -> dict[str, dict[str, Gist]]:
    who = {contact(event.booking) for event in strangers if event.source == SOURCE}
    found: dict[str, dict[str, Gist]] = {}
    if who:
        for row in connection.execute(_SEEN, {IDS: list(who)}):
            found.setdefault(row.contact, {})[row.uid] = Gist.read(row.seen)
    return found


def save(database: Database, connection: Connection, learnt: Collection[Name], now: datetime) -> None:
    """Keep what was learnt of names."""
    if learnt:
        rows = [{field: getattr(name, field) for field in Name.__slots__} | {"at": now} for name in learnt]
        connection.execute(upsert(database.dialect, booking_names, "id"), rows)
