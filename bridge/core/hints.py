"""Which booking of the read API a webhook means, told by content: no guide says that ids are shared."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from bridge.core.bookings import Booking

MARGIN: Final = timedelta(minutes=1)
"""Around a start: whether `from` and `to` include their own instant is not said."""


def agrees(said: Booking, found: Booking) -> bool:
    """Whether the API shows what the webhook said; if not, it may lag behind."""
    return (
        said.status == found.status
        and said.start == found.start
        and said.end == found.end
        and set(said.host_ids) == set(found.host_ids)
    )


def find(said: Booking, listed: Iterable[Booking]) -> Booking | None:
    """The one booking among these that the webhook must mean; None when none or several may be.

    Type, times and the booker's address must be equal; hosts and status decide between several.
    """
    alike = [booking for booking in listed if _same(said, booking)]
    hosts = [booking for booking in alike if set(booking.host_ids) == set(said.host_ids)]
    exact = [booking for booking in hosts if booking.status == said.status]
    return next((found[0] for found in (exact, hosts, alike) if len(found) == 1), None)


def _same(one: Booking, other: Booking) -> bool:
    return (
        one.type_id == other.type_id
        and one.start == other.start
        and one.end == other.end
        and one.booker.email.casefold() == other.booker.email.casefold()
    )
