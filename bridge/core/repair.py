"""What the mirror shows and no webhook told: which difference is worth an event, and which one.

Copera gives up after three attempts, so an event can be gone for good while its effect stays in the read
API. A no-show leaves no trace there. What is decided here reads and stores nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bridge.core.bookings import CANCELLED, COMPLETED, CONFIRMED, DECLINED, Booking, Event
from bridge.core.reading import read_booking, write_booking

SOURCE: Final = "repair"
"""The `source` of an event that was found, where a webhook's is "webhook"."""

RECENT: Final = timedelta(days=1)
"""What changed this lately matters even when the booking has begun."""

_TICK: Final = timedelta(milliseconds=1)
_OVER: Final[Mapping[str, str]] = {CANCELLED: "cancelled", DECLINED: "declined"}


@dataclass(frozen=True, slots=True)
class Gist:
    """What of a booking an event can tell, and nothing personal: status, times, hosts' ids."""

    status: str
    start: datetime | None
    end: datetime | None
    hosts: frozenset[str]

    def text(self) -> str:
        """As JSON, the same for equal values."""
        start, end = (moment.isoformat() if moment else None for moment in (self.start, self.end))
        return json.dumps({"status": self.status, "start": start, "end": end, "hosts": sorted(self.hosts)})

    @classmethod
    def read(cls, text: str) -> Gist:
        """The value that `text` wrote."""
        return gist(read_booking(json.loads(text)))

    @property
    def is_off(self) -> bool:
        return self.status in _OVER


def gist(booking: Booking) -> Gist:
    """The gist of a booking. One that took place as confirmed is as it was: no event tells of that."""
    status = CONFIRMED if booking.status == COMPLETED else booking.status
    return Gist(status, booking.start, booking.end, frozenset(booking.host_ids))


def difference(told: Gist | None, seen: Gist) -> str | None:
    """The name of the event that best tells how `seen` differs; None when there is nothing to tell.

    `told` is None when nothing was ever told. A side that is not known is no difference.
    """
    if told is None:
        return _OVER.get(seen.status, "created")
    if told.is_off and seen.is_off:
        return None
    if seen.is_off:
        return _OVER[seen.status]
    if seen.status == CONFIRMED and told.status not in {"", CONFIRMED}:
        return "confirmed"
    if _moved(told, seen):
        return "rescheduled"
    return "reassigned" if told.hosts and seen.hosts and told.hosts != seen.hosts else None


def _moved(told: Gist, seen: Gist) -> bool:
    if told.start is None or seen.start is None:
        return False
    return told.start != seen.start or (None not in {told.end, seen.end} and told.end != seen.end)


def matters(seen: Gist, *, is_new: bool, last_look: datetime, now: datetime) -> bool:
    """Whether a change found now, and not at the last look, is still worth a message.

    It is when the booking lies ahead, or when it must have changed within a day. A new one that began
    before that was not booked lately: it has only come into the mirror's sight.
    """
    if seen.start is None:
        return False
    if seen.start > now:
        return True
    return now - last_look <= RECENT and (not is_new or seen.start > now - RECENT)


def document(name: str, booking: Booking, seen_at: datetime, told_at: datetime | None) -> bytes:
    """The event in Copera's form; its `createdAt` is when it was seen, and after what was told before."""
    at = max(seen_at, told_at + _TICK) if told_at else seen_at
    body = {"event": f"booking.{name}", "createdAt": at.isoformat(), "data": write_booking(booking)}
    return json.dumps(body, ensure_ascii=False).encode()


def is_told(event: Event, known: Event | None, *, is_late: bool, repaired_at: datetime | None) -> bool:
    """Whether what an event says was told already by the other way: by a webhook, or by a repair.

    `known` is the event that made the booking's present state, `repaired_at` the time of its latest
    repair. A no-show is never told by a repair. Two clocks are at work (Copera's and ours), so a webhook
    that is not late but says no more than the repair before it is the one that was missed.
    """
    is_same = (
        known is not None
        and known.id != event.id
        and difference(gist(known.booking), gist(event.booking)) is None
    )
    if event.source == SOURCE:
        return is_late or is_same
    if event.name == "no_show" or repaired_at is None:
        return False
    return event.at <= repaired_at or (is_same and known is not None and known.source == SOURCE)
