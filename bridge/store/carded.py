"""Which cards bookings have, or are about to have: what routing must know of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, literal_column, or_, select, union_all

from bridge.core.routing import Match
from bridge.store.statements import IDS, among
from bridge.tables.delivery import cards, deliveries

_CARD: Final = ("booking_id", "destination", "rule", "message")
_CARDED: Final = union_all(
    select(
        *(cards.c[name] for name in _CARD),
        cards.c.closed.label("former"),
        literal_column("''").label("place"),
    ).where(among(cards.c.booking_id)),
    select(
        *(deliveries.c[name] for name in _CARD), deliveries.c.former, deliveries.c.position.label("place")
    ).where(
        among(deliveries.c.booking_id),
        deliveries.c.state.in_([literal_column("'waiting'"), literal_column("'sending'")]),
        or_(deliveries.c.style != "post", deliveries.c.former),
    ),
).order_by("place")
"""What is last of a destination is what becomes of its card."""


def carded(connection: Connection, booking_ids: Collection[str]) -> dict[str, dict[str, Match]]:
    """The cards that these bookings have or are about to have: by destination what made them.

    Those whose host lost the booking, or is about to hear so, are `former`.
    """
    found: dict[str, dict[str, Match]] = {}
    for row in connection.execute(_CARDED, {IDS: list(booking_ids)}):
        known = found.setdefault(row.booking_id, {})
        card = Match(row.rule, row.destination, row.message, former=row.former)
        if row.rule:
            known[row.destination] = card
        elif row.destination in known:  # it is about to be brought up to date, and open again
            known[row.destination] = replace(known[row.destination], former=False)
    return found
