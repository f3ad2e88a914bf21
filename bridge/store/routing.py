"""What the router reads and writes in one transaction: events in, deliveries out, states kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, literal_column, select, text, union, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.bookings import Booking, Event
from bridge.core.identity import Name, Register
from bridge.core.order import delivery_id
from bridge.core.reading import read_booking, write_booking
from bridge.core.routing import Match
from bridge.core.rules import Rules
from bridge.database import Database
from bridge.store import identities
from bridge.store.doorkeeper import REFRESH
from bridge.store.events import StoredEvent
from bridge.tables.delivery import booking_states, cards, deliveries, events, rules_files

TOPIC: Final = "deliveries"
_ROUTER_LOCK: Final = 0x726F757465
_COLUMNS: Final = tuple(events.c[name] for name in StoredEvent.__slots__)


RECEIVED: Final = events.c.state == literal_column("'received'")
"""What is to be routed, in the form of its index."""


@dataclass(frozen=True, slots=True)
class KnownState:
    """A booking's present state, and the event that made it."""

    position: str
    event: Event
    previous: Booking | None


@dataclass(frozen=True, slots=True)
class Received:
    """An event to be routed; `previous` is the state before it as an earlier routing saw it."""

    event: StoredEvent
    previous: Booking | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of one event; `event.booking_id` is the key under which its booking is known."""

    event: StoredEvent
    state: str  # routed, superseded, unrecognised
    position: str = ""
    read: Event | None = None
    previous: Booking | None = None
    matches: tuple[Match, ...] = ()
    refresh: tuple[str, ...] = ()  # destinations whose card is only brought up to date
    problem: str = ""


class RoutingStore:
    """Routing's queries on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[RoutingTurn]:
        """One transaction in which this process alone routes, among all replicas."""
        async with self._database.write() as connection:
            if not self._database.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ROUTER_LOCK})"))
            yield RoutingTurn(self._database, connection)

    async def anything_received(self) -> bool:
        """Whether an event waits to be routed; cheap, so that idling is."""
        query = select(events.c.seq).where(RECEIVED).limit(1)
        async with self._database.read() as connection:
            return await connection.scalar(query) is not None

    def ring(self) -> None:
        self._database.ring(TOPIC)


class RoutingTurn:
    """The queries inside one turn."""

    def __init__(self, database: Database, connection: AsyncConnection) -> None:
        self._database = database
        self._connection = connection
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert

    async def received(self, limit: int) -> list[Received]:
        """The oldest events that are not routed yet, or are to be routed again."""
        query = select(*_COLUMNS, events.c.previous).where(RECEIVED)
        rows = await self._connection.execute(query.order_by(events.c.seq).limit(limit))
        found: list[Received] = []
        for row in rows:
            columns = dict(row._mapping)
            previous = known_booking(columns.pop("previous"))
            found.append(Received(StoredEvent(**columns), previous))
        return found

    async def register(self, events: Sequence[Event]) -> Register:
        """Under which names the bookings of these events are known."""
        return await identities.load(self._connection, events)

    async def known(self, booking_ids: Collection[str]) -> dict[str, KnownState]:
        """The present states of these bookings, as far as they are known."""
        query = select(booking_states).where(booking_states.c.booking_id.in_(booking_ids))
        rows = await self._connection.execute(query)
        return {row.booking_id: known_state(row) for row in rows if row.state is not None}

    async def positions(self, booking_ids: Collection[str]) -> dict[str, str]:
        """The position of each booking's latest event, kept even when its state was erased."""
        query = select(booking_states.c.booking_id, booking_states.c.position)
        rows = await self._connection.execute(query.where(booking_states.c.booking_id.in_(booking_ids)))
        return {row.booking_id: row.position for row in rows}

    async def carded(self, booking_ids: Collection[str]) -> dict[str, set[str]]:
        """Where these bookings have a card that is still theirs, or are about to have one."""
        shown = select(cards.c.booking_id, cards.c.destination).where(
            cards.c.booking_id.in_(booking_ids), cards.c.closed.is_(False)
        )
        coming = select(deliveries.c.booking_id, deliveries.c.destination).where(
            deliveries.c.booking_id.in_(booking_ids),
            deliveries.c.state.in_(("waiting", "sending")),
            deliveries.c.style == "card",
            deliveries.c.former.is_(False),
        )
        found: dict[str, set[str]] = {}
        for row in await self._connection.execute(union(shown, coming)):
            found.setdefault(row.booking_id, set()).add(row.destination)
        return found

    async def keep_rules(self, rules: Rules, now: datetime) -> None:
        """Keep the rules file that events are routed by, so that it can be said later why."""
        row = {"hash": rules.hash, "text": rules.text, "since": now}
        await self._connection.execute(self._insert(rules_files).on_conflict_do_nothing(), [row])

    async def write(
        self, routed: Sequence[Routed], rules_hash: str, now: datetime, learnt: Collection[Name] = ()
    ) -> int:
        """Record what became of events, and the names that were learnt; the number of new deliveries."""
        await identities.save(self._database, self._connection, learnt, now)
        await self._connection.execute(_EVENT, [_event_row(item, rules_hash, now) for item in routed])
        states = {
            item.event.booking_id: _state_row(item, item.read)
            for item in routed
            if item.read and item.state == "routed"
        }
        if states:
            statement = self._insert(booking_states)
            changed = {c.name: statement.excluded[c.name] for c in booking_states.c if not c.primary_key}
            upsert = statement.on_conflict_do_update(index_elements=["booking_id"], set_=changed)
            await self._connection.execute(upsert, list(states.values()))
        rows = [row for item in routed for row in _delivery_rows(item, rules_hash, now)]
        if rows:
            await self._connection.execute(self._deliver(), rows)
            await self._database.announce(self._connection, TOPIC)
        return len(rows)

    def _deliver(self) -> Any:
        """New rows; one that was there stays, unless it only refreshed a card and now tells something."""
        insert = self._insert(deliveries)
        new = insert.excluded
        told = (
            "rule",
            "message",
            "mention",
            "style",
            "broadcast",
            "former",
            "rules_hash",
            "state",
            "next_at",
        )
        return insert.on_conflict_do_update(
            index_elements=["event_id", "destination"],
            set_={name: new[name] for name in told} | {"attempts": 0, "done_at": None},
            where=(deliveries.c.style == REFRESH)
            & (new.style != REFRESH)
            & (deliveries.c.state != "sending"),
        )


def known_state(row: Any) -> KnownState:
    """A row of booking_states as a value."""
    booking = read_booking(json.loads(row.state))
    event = Event(row.event_id, row.name, row.at, booking, row.source)
    return KnownState(row.position, event, known_booking(row.previous))


def known_booking(document: str | None) -> Booking | None:
    """A booking as it was kept, None when none was."""
    return read_booking(json.loads(document)) if document else None


_EVENT: Final = (
    update(events)
    .where(events.c.seq == bindparam("b_seq"))
    .values(
        booking_id=bindparam("b_booking_id"),
        state=bindparam("b_state"),
        problem=bindparam("b_problem"),
        previous=bindparam("b_previous"),
        rules_hash=bindparam("b_rules_hash"),
        routed_at=bindparam("b_routed_at"),
    )
)


def _event_row(item: Routed, rules_hash: str, now: datetime) -> dict[str, object]:
    return {
        "b_seq": item.event.seq,
        "b_booking_id": item.event.booking_id,
        "b_state": item.state,
        "b_problem": item.problem,
        "b_previous": _json(item.previous),
        "b_rules_hash": rules_hash,
        "b_routed_at": now,
    }


def _state_row(item: Routed, event: Event) -> dict[str, object]:
    return {
        "booking_id": item.event.booking_id,
        "position": item.position,
        "event_id": event.id,
        "name": event.name,
        "at": event.at,
        "source": event.source,
        "state": _json(event.booking),
        "previous": _json(item.previous),
    }


def _delivery_rows(item: Routed, rules_hash: str, now: datetime) -> list[dict[str, object]]:
    def row(destination: str, **values: object) -> dict[str, object]:
        return {
            "id": delivery_id(item.event.id, destination),
            "event_id": item.event.id,
            "booking_id": item.event.booking_id,
            "destination": destination,
            "position": item.position,
            "rules_hash": rules_hash,
            "state": "waiting",
            "next_at": now,
            "created_at": now,
            **values,
        }

    rows = [
        row(
            match.destination,
            rule=match.rule,
            message=match.message,
            mention=match.mention,
            style=match.style,
            broadcast=match.broadcast,
            former=match.former,
        )
        for match in item.matches
    ]
    quiet = {
        "rule": "",
        "message": None,
        "mention": "none",
        "style": REFRESH,
        "broadcast": False,
        "former": False,
    }
    return rows + [row(destination, **quiet) for destination in item.refresh]


def _json(booking: Booking | None) -> str | None:
    return json.dumps(write_booking(booking), ensure_ascii=False) if booking else None
