"""What the mirror keeps of a booking: its state, and how often what calendars show of it has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.core.bookings import CANCELLED, DECLINED, Booking
from bridge.core.feeds.tokens import Detail


@dataclass(frozen=True, slots=True)
class Mark:
    """A revision as calendars know it: SEQUENCE and LAST-MODIFIED (RFC 5545 §3.8.7.4, .3)."""

    sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking in the mirror; `uid` is the read API's, times are aware UTC.

    There is a mark for each level of detail, since what changes for those who see everything may be
    no change for those who see only when somebody is busy. `closed_at`: since when it is known to be
    cancelled, declined or gone. `shown`: whether calendars ever held it as something that takes place.
    """

    uid: str
    booking: Booking
    full: Mark
    title: Mark
    busy: Mark
    first_seen: datetime
    closed_at: datetime | None = None
    shown: bool = True

    def mark(self, detail: Detail) -> Mark:
        return {"full": self.full, "title": self.title, "busy": self.busy}[detail]


def is_off(booking: Booking) -> bool:
    """Whether the booking will not take place."""
    return booking.status in {CANCELLED, DECLINED}
