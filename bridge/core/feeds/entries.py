"""What the mirror keeps of a booking: its state, and how often what calendars show of it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.core.bookings import CANCELLED, DECLINED, PASSED_ON, Booking
from bridge.core.feeds.tokens import Detail


@dataclass(frozen=True, slots=True)
class Mark:
    """A revision as calendars know it: SEQUENCE and LAST-MODIFIED (RFC 5545 §3.8.7.4, .3)."""

    sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking as one audience's calendars show it; `uid` is the read API's, times are aware UTC.

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

    @property
    def marks(self) -> tuple[Mark, Mark, Mark]:
        return self.full, self.title, self.busy


@dataclass(frozen=True, slots=True)
class Record:
    """A booking as each audience's calendars show it, for what changes in one need not change in another.

    `team` is what the feeds of a type and of all show. `own`, by host id, is what that host's feed shows:
    of those who host it, and of those who lost it, who keep the state that was theirs, called off.
    """

    team: Entry
    own: Mapping[str, Entry]

    @property
    def uid(self) -> str:
        return self.team.uid

    @property
    def booking(self) -> Booking:
        """The booking in its present state."""
        return self.team.booking

    @property
    def hosting(self) -> dict[str, Entry]:
        """What the feeds of those who host it show, by host id."""
        return {host: self.own[host] for host in self.booking.host_ids}

    @property
    def parted(self) -> dict[str, Entry]:
        """What the feeds of those who lost it show, by host id."""
        return {host: entry for host, entry in self.own.items() if host not in self.booking.host_ids}


def is_off(booking: Booking) -> bool:
    """Whether the booking will not take place, or not with this host."""
    return booking.status in {CANCELLED, DECLINED, PASSED_ON}
