"""What differs between two states of a booking, and whether an event tells anything new."""

from __future__ import annotations

from typing import Final, Literal

from bridge.core.bookings import Booker, Booking, Event

Change = Literal["status", "time", "hosts", "type", "place", "guests", "booker", "answers"]

_NOBODY: Final = Booker()
_REPEATABLE: Final = frozenset({"created", "confirmed"})


def changes(previous: Booking | None, booking: Booking) -> tuple[Change, ...]:
    """What people would notice, most important first; nothing when no state was known before.

    A side that is not known is no change: a state without hosts does not mean that they left.
    """
    if previous is None:
        return ()
    pairs: tuple[tuple[Change, object, object], ...] = (
        ("status", previous.status, booking.status),
        ("time", _times(previous), _times(booking)),
        ("hosts", frozenset(previous.host_ids), frozenset(booking.host_ids)),
        ("type", previous.type_title, booking.type_title),
        ("place", previous.location.type and previous.location, booking.location.type and booking.location),
        ("guests", previous.guests, booking.guests),
        ("booker", previous.booker != _NOBODY and previous.booker, booking.booker),
        ("answers", previous.answers, booking.answers),
    )
    return tuple(name for name, old, new in pairs if old != new and old and new)


def is_news(event: Event, previous: Booking | None) -> bool:
    """Whether an event is worth a message when `previous` is the state last told.

    Copera may send `created` and `confirmed` for one confirmed booking, in either order: the second of
    them says nothing new. Every other event is news even when no difference can be seen.
    """
    if previous is None or event.name not in _REPEATABLE:
        return True
    return bool(changes(previous, event.booking))


def _times(booking: Booking) -> tuple[object, object] | None:
    return (booking.start, booking.end) if booking.start else None
