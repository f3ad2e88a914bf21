"""What the router reads and writes in one transaction: events in, deliveries out, states kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, bindparam, literal_column, select, update

from bridge.core.bookings import Booking, Event
from bridge.core.identity import Name, Register
from bridge.core.json_body import as_json, kept
from bridge.core.order import delivery_id
from bridge.core.reading import read_booking, write_booking
from bridge.core.routing import Match
from bridge.core.rules.rules import Rules
from bridge.database import Database
from bridge.store import identities
from bridge.store.carded import carded
from bridge.store.events import StoredEvent
from bridge.store.gate_policy import REFRESH
from bridge.store.statements import IDS, among, insert_into, upsert
from bridge.tables.delivery import booking_states, deliveries, events, rules_files

T = TypeVar("T")

TOPIC: Final = "deliveries"
_ROUTER_LOCK: Final = 0x726F757465
_COLUMNS: Final = tuple(events.c[name] for name in StoredEvent.__slots__)


RECEIVED: Final = events.c.state == literal_column("'received'")
"""What is to be routed, in the form of its index."""

_RECEIVED: Final = (
    select(*_COLUMNS, events.c.previous, events.c.routed_at)
    .where(RECEIVED)
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)
_STATES: Final = select(booking_states).where(among(booking_states.c.booking_id))


@dataclass(frozen=True, slots=True)
class KnownState:
    """A booking's present state, and the event that made it."""

    position: str
    event: Event
    previous: Booking | None


@dataclass(frozen=True, slots=True)
class Received:
    """An event to be routed; `previous` is the state before it as an earlier routing saw it.

    `again` says that it was routed before; what became of it then is `event.problem`.
    """

    event: StoredEvent
    previous: Booking | None = None
    again: bool = False


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
    is_late: bool = False  # it changes no state: a later event did
    is_known: bool = False  # it was routed before, with the same result


class RoutingStore:
    """Routing's queries on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def locked(self, work: Callable[[RoutingTransaction], T]) -> T:
        """Do the work in one transaction in which this process alone routes, among all replicas.

        It need not be durable: an event whose routing was lost is routed again. Raises Unavailable.
        """

        def turn(connection: Connection) -> T:
            self._database.lock(connection, _ROUTER_LOCK)
            return work(RoutingTransaction(self._database, connection))

        return await self._database.transact(turn, durable=False)

    def wake(self) -> None:
        self._database.wake(TOPIC)


class RoutingTransaction:
    """The queries inside one turn."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection

    def received(self, limit: int) -> list[Received]:
        """The oldest events that are not routed yet, or are to be routed again."""
        rows = self._connection.execute(_RECEIVED, {"most": limit})
        found: list[Received] = []
        for row in rows:
            columns = dict(row._mapping)
            previous, routed_at = known_booking(columns.pop("previous")), columns.pop("routed_at")
            found.append(Received(StoredEvent(**columns), previous, again=routed_at is not None))
        return found

    def register(self, events: Sequence[Event]) -> Register:
        """Under which names the bookings of these events are known."""
        return identities.load(self._connection, events)

    def states(self, booking_ids: Collection[str]) -> tuple[dict[str, KnownState], dict[str, str]]:
        """The present states of these bookings, as far as they are known, and the position of each one's
        latest event, kept even when its state was erased."""
        rows = self._connection.execute(_STATES, {IDS: list(booking_ids)}).all()
        known = {row.booking_id: known_state(row) for row in rows if row.state or row.gist}
        return known, {row.booking_id: row.position for row in rows}

    def carded(self, booking_ids: Collection[str]) -> dict[str, dict[str, Match]]:
        """As `carded.carded`, within this transaction."""
        return carded(self._connection, booking_ids)

    def keep_rules(self, rules: Rules, now: datetime) -> None:
        """Keep the rules file that events are routed by, so that it can be said later why."""
        row = {"hash": rules.hash, "text": rules.text, "since": now}
        statement = insert_into(self._database.dialect, rules_files)
        self._connection.execute(statement.on_conflict_do_nothing(), [row])

    def write(
        self, routed: Sequence[Routed], rules_hash: str, now: datetime, learnt: Collection[Name] = ()
    ) -> int:
        """Record what became of events, and the names that were learnt; the number of new deliveries."""
        identities.save(self._database, self._connection, learnt, now)
        self._connection.execute(_EVENT, [_event_row(item, rules_hash, now) for item in routed])
        self._write_names(routed)
        states = {
            item.event.booking_id: _state_row(item, item.read)
            for item in routed
            if item.read and item.state == "routed" and not item.is_late
        }
        if states:
            statement = upsert(self._database.dialect, booking_states, "booking_id")
            self._connection.execute(statement, list(states.values()))
        rows = [row for item in routed for row in _delivery_rows(item, rules_hash, now)]
        if rows:
            self._connection.execute(_deliver(self._database.dialect), rows)
            self._database.notify(self._connection, TOPIC)
        return len(rows)

    def _write_names(self, routed: Sequence[Routed]) -> None:
        """The name and time of what could not be read when it came in."""
        for item in routed:
            if item.read and item.event.at is None:
                values = {"name": item.read.name, "at": item.read.at}
                self._connection.execute(update(events).where(events.c.seq == item.event.seq).values(values))


@cache
def _deliver(dialect: str) -> Any:
    """New rows; one that was there stays, unless it told nothing: it only refreshed a card, or is dead.

    What may have reached Slack before it died is looked up there before it is sent again.
    """
    insert = insert_into(dialect, deliveries)
    new = insert.excluded
    told = ("rule", "message", "mention", "style", "broadcast", "former", "rules_hash", "state", "next_at")
    return insert.on_conflict_do_update(
        index_elements=["event_id", "destination"],
        set_={name: new[name] for name in told} | {"attempts": 0, "failing_since": None, "done_at": None},
        where=(new.style != REFRESH)
        & (deliveries.c.state != "sending")
        & ((deliveries.c.style == REFRESH) | (deliveries.c.state == "dead")),
    )


def known_state(row: Any) -> KnownState:
    """A row of booking_states as a value; of an erased state that what is not personal is left."""
    booking = read_booking(kept(row.state or row.gist))
    event = Event(row.event_id, row.name, row.at, booking, row.source)
    return KnownState(row.position, event, known_booking(row.previous))


def known_booking(document: str | None) -> Booking | None:
    """A booking as it was kept, None when none was."""
    return read_booking(kept(document)) if document else None


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
        "gist": None,
        "over_at": event.booking.end or event.booking.start or event.at,
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
    return as_json(write_booking(booking)) if booking else None
