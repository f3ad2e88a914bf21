"""The queries behind a claim: which deliveries may be sent now, and all that sending them needs."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from bridge.store.delivery import Card, Delivery
from bridge.store.gate_policy import WEBHOOK
from bridge.store.routing import known_booking, known_state
from bridge.tables import Moment
from bridge.tables.delivery import booking_states, cards, deliveries, events, gates


def state_in(table: FromClause, *states: str) -> ColumnElement[bool]:
    """The states written out, as in the partial indexes: SQLite uses such an index only then."""
    return table.c.state.in_([literal_column(f"'{state}'") for state in states])


def active(table: FromClause) -> ColumnElement[bool]:
    """What is neither told nor given up."""
    return state_in(table, "waiting", "sending")


def waiting(table: FromClause) -> ColumnElement[bool]:
    return and_(active(table), table.c.state == literal_column("'waiting'"))


DEAD: Final = deliveries.c.state == literal_column("'dead'")
"""What was given up, in the form of its index."""


def _lane(other: FromClause) -> ColumnElement[bool]:
    """The deliveries of the same booking to the same destination."""
    return and_(
        other.c.booking_id == deliveries.c.booking_id, other.c.destination == deliveries.c.destination
    )


def _lane_is_free() -> ColumnElement[bool]:
    """Nothing of the lane is being sent, and nothing earlier waits."""
    other = deliveries.alias("other")
    holds = or_(
        other.c.state == literal_column("'sending'"),
        and_(waiting(other), other.c.position < deliveries.c.position),
    )
    return ~exists().where(_lane(other), active(other), holds)


def _needs_edit() -> ColumnElement[bool]:
    """Whether a card is there that does not show the present state."""
    present = select(booking_states.c.position).where(booking_states.c.booking_id == cards.c.booking_id)
    wanted = func.coalesce(present.correlate(cards).scalar_subquery(), deliveries.c.position)
    stale = or_(cards.c.shown < wanted, cards.c.closed != deliveries.c.former)
    return exists().where(
        cards.c.booking_id == deliveries.c.booking_id,
        cards.c.destination == deliveries.c.destination,
        stale,
    )


_NOW: Final = bindparam("now", type_=Moment(timezone=True))
_SHUT: Final = select(gates.c.key).where(gates.c.open_at > _NOW)

CANDIDATES: Final = (
    select(deliveries.c.seq, deliveries.c.destination, deliveries.c.style, _needs_edit().label("edits"))
    .where(
        waiting(deliveries),
        deliveries.c.next_at <= _NOW,
        deliveries.c.destination.not_in(_SHUT),
        deliveries.c.destination.not_in(bindparam("full", expanding=True)),
        _lane_is_free(),
        or_(bindparam("slack_open", type_=Boolean), deliveries.c.destination.startswith(WEBHOOK)),
        or_(bindparam("edits_open", type_=Boolean), ~_needs_edit()),
    )
    .order_by(deliveries.c.next_at, deliveries.c.seq)
    .limit(bindparam("most"))
)
"""Waiting deliveries that are due, whose gate is open, and that nothing in their lane holds.

Parameters: `now`, `slack_open` and `edits_open` (see `Gates.what_is_open`), `full` (destinations that get no
more), `most`.
"""

NEXT_DUE: Final = select(func.min(deliveries.c.next_at)).where(
    waiting(deliveries), deliveries.c.next_at > _NOW
)
_NEXT_OPENING: Final = select(func.min(gates.c.open_at)).where(gates.c.open_at > _NOW)

LEFT: Final = select(
    NEXT_DUE.scalar_subquery().label("next_due"),
    _NEXT_OPENING.scalar_subquery().label("next_opening"),
    exists().where(waiting(deliveries)).label("more"),
)
"""When the next delivery comes due, when the next gate opens, and whether anything waits; with `now`."""

_JOINED: Final = (
    deliveries.join(events, events.c.id == deliveries.c.event_id)
    .outerjoin(booking_states, booking_states.c.booking_id == deliveries.c.booking_id)
    .outerjoin(
        cards,
        and_(cards.c.booking_id == deliveries.c.booking_id, cards.c.destination == deliveries.c.destination),
    )
)
_OWN: Final = (
    *("seq", "id", "event_id", "booking_id", "destination", "position", "rule", "rules_hash", "message"),
    *(
        "mention",
        "style",
        "broadcast",
        "former",
        "attempts",
        "error",
        "failing_since",
        "unsure_since",
        "plain",
    ),
    "claimed_at",
)
_OF_EVENT: Final = ("received_at", "body", "version", "source")
_CARD: Final = tuple(Card.__slots__)
_later: Final = deliveries.alias("later")

CLAIMED: Final = (
    select(
        *(deliveries.c[name] for name in _OWN),
        *(cards.c[name].label(f"card_{name}") for name in _CARD),
        *(booking_states.c[c.name].label(f"present_{c.name}") for c in booking_states.c),
        *(events.c[name] for name in _OF_EVENT),
        events.c.previous.label("event_previous"),
        or_(
            events.c.state == "superseded",
            exists().where(
                _lane(_later),
                _later.c.position > deliveries.c.position,
                state_in(_later, "sent", "skipped"),
            ),
        ).label("overtaken"),
    )
    .select_from(_JOINED)
    .order_by(deliveries.c.seq)
)
"""What sending takes, one row a delivery; add which ones."""


class _Present:
    """The columns of booking_states in a joined row."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"present_{name}")


def delivery(row: Any, probes: frozenset[str]) -> Delivery:
    """A row of `CLAIMED` as a value."""
    present = _Present(row)
    return Delivery(
        **{name: getattr(row, name) for name in (*_OWN, *_OF_EVENT)},
        overtaken=bool(row.overtaken),
        previous=known_booking(row.event_previous),
        present=known_state(present) if present.state is not None else None,
        card=Card(**{name: getattr(row, f"card_{name}") for name in _CARD}) if row.card_ts else None,
        probes=probes,
    )
