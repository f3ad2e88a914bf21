"""Seven events, one of each kind, on which messages are tried before they are used.

Between them they show every part of a booking present and most of them missing, so that a message that
works on all of them works on what Copera sends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.core.bookings import (
    CANCELLED,
    CONFIRMED,
    DECLINED,
    PENDING,
    Answer,
    Booker,
    Booking,
    BookingType,
    Directory,
    Event,
    Guest,
    Host,
    Location,
    Person,
)
from bridge.core.messages.scenes import Scene

_START: Final = datetime(2026, 7, 8, 15, 0, tzinfo=UTC)
_AT: Final = datetime(2026, 7, 6, 9, 0, tzinfo=UTC)
_ANA: Final = Host("665f00000000000000000003", "ORGANIZER")
_BEN: Final = Host("665f00000000000000000004")
_DIRECTORY: Final = Directory(
    [Person(_ANA.id, "Ana Lima", "ana@example.com"), Person(_BEN.id, "Ben Okafor", "ben@example.com")],
    [Person(_ANA.id, slack="U012AB3CD")],
)
_TYPE: Final = BookingType(
    "665f00000000000000000001", "Intro Call", "intro-call", "A first talk", "SOLO", 30, "#4F46E5"
)

FULL: Final = Booking(
    id="665f00000000000000000009",
    uid="bk_8f2k1",
    status=CONFIRMED,
    type_id=_TYPE.id,
    type_title=_TYPE.title,
    start=_START,
    end=_START + timedelta(minutes=30),
    duration=30,
    timezone="America/Sao_Paulo",
    hosts=(_ANA, _BEN),
    booker=Booker("Alice Booker", "alice@example.com", "+15551234567", "America/Sao_Paulo", "en"),
    guests=(Guest("Bo Guest", "bo@example.com"), Guest("", "cy@example.com")),
    answers=(
        Answer("q1", "Topic", ("Pricing & terms",)),
        Answer("q2", "Team size", ("11-50",)),
        Answer("q3", "Products", ("Tables", "Documents")),
    ),
    location=Location("MEETING_CHANNEL", (("url", "https://meet.example.com/alice"),)),
)
"""A booking with everything."""

SPARSE: Final = replace(
    FULL, uid="", hosts=(), guests=(), answers=(), location=Location(), timezone="", booker=Booker()
)
"""A booking of which little is known."""

_MOVED: Final = replace(FULL, start=_START + timedelta(days=1), end=_START + timedelta(days=1, minutes=30))
_STATES: Final[dict[str, tuple[Booking, Booking | None]]] = {
    "created": (replace(FULL, status=PENDING), None),
    "confirmed": (FULL, replace(FULL, status=PENDING)),
    "cancelled": (replace(FULL, status=CANCELLED), FULL),
    "rescheduled": (_MOVED, FULL),
    "declined": (replace(SPARSE, status=DECLINED), None),
    "reassigned": (replace(FULL, hosts=(_BEN,)), replace(FULL, hosts=(_ANA,))),
    "no_show": (replace(FULL, answers=(), guests=()), FULL),
}


def samples() -> tuple[Scene, ...]:
    """One scene for each of Copera's events."""
    return tuple(
        Scene(
            event=Event(f"{number:064x}", name, _AT, booking),
            booking=booking,
            previous=previous,
            rule="sample",
            type=_TYPE,
            directory=_DIRECTORY,
        )
        for number, (name, (booking, previous)) in enumerate(_STATES.items(), 1)
    )
