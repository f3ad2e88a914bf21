"""Deliveries and cards: claimed under a lease, settled in batches, taken over when their holder dies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Boolean, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.bookings import Booking
from bridge.core.reading import read_booking
from bridge.database import Database
from bridge.store.gates import WEBHOOK, Claimant, Gates
from bridge.store.routing import TOPIC, KnownState, known_state
from bridge.tables.delivery import attempts, booking_states, cards, deliveries, events, gates

LEASE: Final = timedelta(seconds=10)
"""How long a claim holds unless it is renewed."""


@dataclass(frozen=True, slots=True)
class Card:
    """The message in Slack that shows one booking in one destination."""

    channel: str
    ts: str
    shown: str  # position of the event it shows
    rule: str
    message: str | None
    mention: str
    plain: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery with all that sending it needs."""

    seq: int
    id: str
    event_id: str
    booking_id: str
    destination: str
    position: str
    rule: str
    rules_hash: str
    message: str | None
    mention: str
    style: str
    broadcast: bool
    former: bool
    attempts: int
    failing_since: datetime | None
    unsure_since: datetime | None
    plain: bool
    received_at: datetime
    body: bytes | None
    version: str
    source: str
    superseded: bool
    previous: Booking | None
    present: KnownState | None
    card: Card | None
    is_probe: bool  # the destination failed before; this finds out whether it still does


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call for a delivery: `outcome` is ok or Slack's error."""

    at: datetime
    call: str
    outcome: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a claimed delivery: its new state, what is remembered, what was called."""

    delivery: Delivery
    state: str  # sent, skipped, dead, waiting
    next_at: datetime
    attempts: int
    channel: str = ""
    ts: str = ""
    error: str = ""
    problem: str = ""
    failing_since: datetime | None = None
    unsure_since: datetime | None = None
    plain: bool = False
    card: Card | None = None  # the card as it is now; None leaves it
    lost_card: bool = False
    calls: tuple[Attempt, ...] = ()


class Deliveries:
    """The deliveries of one database, as the courier works on them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert
        self.gates = Gates(database)

    async def claim(self, claimant: Claimant, limit: int, now: datetime) -> list[Delivery]:
        """Take the next deliveries that may be sent now, for `LEASE`; paced, one booking in order."""
        async with self._database.write() as connection:
            hints = {"now": now, **await self.gates.hints(connection, now)}
            candidates = (await connection.execute(_candidates(self._database, limit), hints)).all()
            if not candidates:
                return []
            chosen = await self.gates.admit(connection, claimant, [row[1:] for row in candidates], now)
            taken = [row.seq for row, admitted in zip(candidates, chosen, strict=True) if admitted]
            if not taken:
                return []
            lease = {"owner": claimant.owner, "claimed_at": now, "lease_until": now + LEASE}
            await connection.execute(
                update(deliveries).where(deliveries.c.seq.in_(taken)).values(state="sending", **lease)
            )
            rows = await connection.execute(_CLAIMED.where(deliveries.c.seq.in_(taken)))
            return [_delivery(row) for row in rows]

    async def settle(self, settlements: Sequence[Settlement], owner: str, now: datetime) -> None:
        """Write what became of claimed deliveries, all in one transaction."""
        async with self._database.write() as connection:
            await connection.execute(_SETTLE, [_settled_row(item, owner, now) for item in settlements])
            await self._settle_cards(connection, settlements)
            calls = [_attempt_row(item.delivery, call) for item in settlements for call in item.calls]
            if calls:
                await connection.execute(insert(attempts), calls)

    async def _settle_cards(self, connection: AsyncConnection, settlements: Sequence[Settlement]) -> None:
        changed = [_card_row(item.delivery, item.card) for item in settlements if item.card]
        if changed:
            statement = self._insert(cards)
            values = {c.name: statement.excluded[c.name] for c in cards.c if not c.primary_key}
            keys = ["booking_id", "destination"]
            await connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=values), changed
            )
        for item in settlements:
            if item.lost_card and not item.card:
                await connection.execute(
                    delete(cards).where(
                        cards.c.booking_id == item.delivery.booking_id,
                        cards.c.destination == item.delivery.destination,
                    )
                )

    async def renew(self, seqs: Sequence[int], owner: str, now: datetime) -> None:
        """Hold claims for another `LEASE`."""
        held = and_(deliveries.c.seq.in_(seqs), deliveries.c.owner == owner, deliveries.c.state == "sending")
        async with self._database.write() as connection:
            await connection.execute(update(deliveries).where(held).values(lease_until=now + LEASE))

    async def recover(self, now: datetime, *, everything: bool = False) -> int:
        """Free the claims of holders that died; `everything` when nobody else can be alive.

        Such a delivery may be in Slack already, so it is marked as unsure.
        """
        held = deliveries.c.state == "sending"
        if not everything:
            held = and_(held, deliveries.c.lease_until < now)
        async with self._database.read() as connection:
            if not await connection.scalar(select(deliveries.c.seq).where(held).limit(1)):
                return 0
        freed = {
            "state": "waiting",
            "owner": "",
            "next_at": now,
            "unsure_since": func.coalesce(deliveries.c.unsure_since, deliveries.c.claimed_at),
        }
        async with self._database.write() as connection:
            result = await connection.execute(update(deliveries).where(held).values(freed))
        return result.rowcount

    async def forget_times(self, now: datetime) -> None:
        """Make everything that waits due now: the clock was set back and stored times mean nothing."""
        late = and_(deliveries.c.state == "waiting", deliveries.c.next_at > now)
        async with self._database.write() as connection:
            await connection.execute(update(deliveries).where(late).values(next_at=now))
            await connection.execute(update(gates).where(gates.c.full_at > now).values(full_at=None))
            await connection.execute(update(gates).where(gates.c.open_at > now).values(open_at=now))

    async def next_due(self, now: datetime) -> datetime | None:
        """When the next waiting delivery may be tried, its gate included; None when none waits."""
        gate = select(gates.c.open_at).where(gates.c.key == deliveries.c.destination).scalar_subquery()
        waiting = deliveries.c.state == "waiting"
        query = select(deliveries.c.next_at, gate).where(waiting)
        query = query.order_by(deliveries.c.next_at, deliveries.c.seq).limit(200)
        async with self._database.read() as connection:
            times = [max(filter(None, row)) for row in await connection.execute(query)]
        return min(times, default=None)


def _candidates(database: Database, limit: int) -> Any:
    """Waiting deliveries that are due, whose gate is open, and that nothing earlier in their lane holds."""
    earlier = deliveries.alias("earlier")
    lane_is_free = ~exists().where(
        earlier.c.booking_id == deliveries.c.booking_id,
        earlier.c.destination == deliveries.c.destination,
        earlier.c.state.in_(("waiting", "sending")),
        earlier.c.position < deliveries.c.position,
    )
    has_card = exists().where(
        cards.c.booking_id == deliveries.c.booking_id, cards.c.destination == deliveries.c.destination
    )
    shut = exists().where(gates.c.key == deliveries.c.destination, gates.c.open_at > bindparam("now"))
    query = (
        select(deliveries.c.seq, deliveries.c.destination, deliveries.c.style, has_card.label("has_card"))
        .where(
            deliveries.c.state == "waiting",
            or_(deliveries.c.state == "waiting", deliveries.c.state == "sending"),  # the partial index's form
            deliveries.c.next_at <= bindparam("now"),
            ~shut,
            lane_is_free,
            or_(bindparam("slack_open", type_=Boolean), deliveries.c.destination.startswith(WEBHOOK)),
            or_(bindparam("edits_open", type_=Boolean), ~has_card, deliveries.c.style == "post"),
        )
        .order_by(deliveries.c.next_at, deliveries.c.seq)
        .limit(limit)
    )
    return query if database.is_sqlite else query.with_for_update(skip_locked=True, of=deliveries)


_JOINED: Final = (
    deliveries.join(events, events.c.id == deliveries.c.event_id)
    .outerjoin(booking_states, booking_states.c.booking_id == deliveries.c.booking_id)
    .outerjoin(
        cards,
        and_(cards.c.booking_id == deliveries.c.booking_id, cards.c.destination == deliveries.c.destination),
    )
    .outerjoin(gates, gates.c.key == deliveries.c.destination)
)
_OWN: Final = (
    *("seq", "id", "event_id", "booking_id", "destination", "position", "rule", "rules_hash", "message"),
    *("mention", "style", "broadcast", "former", "attempts", "failing_since", "unsure_since", "plain"),
)
_CARD: Final = tuple(Card.__slots__)
_CLAIMED: Final = (
    select(
        *(deliveries.c[name] for name in _OWN),
        *(cards.c[name].label(f"card_{name}") for name in _CARD),
        *(booking_states.c[c.name].label(f"present_{c.name}") for c in booking_states.c),
        *(events.c[name] for name in ("received_at", "body", "version", "source")),
        events.c.previous.label("event_previous"),
        events.c.state.label("event_state"),
        gates.c.failures.label("gate_failures"),
    )
    .select_from(_JOINED)
    .order_by(deliveries.c.seq)
)


class _Present:
    """The columns of booking_states in a joined row."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"present_{name}")


def _delivery(row: Any) -> Delivery:
    present = _Present(row)
    return Delivery(
        **{name: getattr(row, name) for name in _OWN},
        received_at=row.received_at,
        body=row.body,
        version=row.version,
        source=row.source,
        superseded=row.event_state == "superseded",
        previous=_booking(row.event_previous),
        present=known_state(present) if present.state is not None else None,
        card=Card(**{name: getattr(row, f"card_{name}") for name in _CARD}) if row.card_ts else None,
        is_probe=bool(row.gate_failures),
    )


def _booking(document: str | None) -> Booking | None:
    return read_booking(json.loads(document)) if document else None


_FIELDS: Final = (
    *("state", "next_at", "attempts", "channel", "ts", "error", "problem"),
    *("failing_since", "unsure_since", "plain"),
)
_SETTLE: Final = (
    update(deliveries)
    .where(
        deliveries.c.seq == bindparam("b_seq"),
        deliveries.c.owner == bindparam("b_owner"),
        deliveries.c.state == "sending",
    )
    .values(
        owner="",
        lease_until=None,
        done_at=bindparam("b_done_at"),
        **{name: bindparam(f"b_{name}") for name in _FIELDS},
    )
)


def _settled_row(item: Settlement, owner: str, now: datetime) -> dict[str, object]:
    row: dict[str, object] = {f"b_{name}": getattr(item, name) for name in _FIELDS}
    done = None if item.state == "waiting" else now
    return row | {"b_seq": item.delivery.seq, "b_owner": owner, "b_done_at": done}


def _card_row(delivery: Delivery, card: Card) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(card, name) for name in _CARD}
    return row | {"booking_id": delivery.booking_id, "destination": delivery.destination}


def _attempt_row(delivery: Delivery, call: Attempt) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(call, name) for name in Attempt.__slots__}
    return row | {"delivery_id": delivery.id}


__all__ = ["LEASE", "TOPIC", "Attempt", "Card", "Deliveries", "Delivery", "Settlement"]
