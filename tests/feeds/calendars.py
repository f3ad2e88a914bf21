"""Made-up bookings, and what must hold of every feed's bytes: what no parser checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Component

from bridge.core.bookings import Answer, Booker, Booking, Guest, Host, Location
from bridge.core.feeds.body import build, edit
from bridge.core.feeds.calendar import View, head
from bridge.core.feeds.entries import Entry, Mark

START = datetime(2026, 7, 8, 15, tzinfo=UTC)
NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)

BOOKING = Booking(
    id="bk_1",
    uid="bk_1",
    status="CONFIRMED",
    type_id="665f01",
    type_title="Intro Call",
    start=START,
    end=START + timedelta(minutes=30),
    duration=30,
    timezone="America/Sao_Paulo",
    hosts=(Host("665fa", "ORGANIZER"), Host("665fb")),
    booker=Booker("Alice Booker", "alice@example.com", "+15551234567", "America/Sao_Paulo", "en"),
    guests=(Guest("Bob", "bob@example.com"), Guest("", "eve@example.com")),
    answers=(Answer("q1", "Topic", ("Pricing; and, more",)),),
    location=Location("ZOOM", (("joinUrl", "https://zoom.example/j/1?pwd=x,y;z"),)),
)


def entry(booking: Booking = BOOKING, sequence: int = 0) -> Entry:
    mark = Mark(sequence, NOW)
    return Entry(booking.uid, booking, mark, mark, mark, NOW)


def feed(*entries: Entry, view: View | None = None, name: str = "Bookings: Ana") -> bytes:
    """The feed of these entries."""
    edits = [found for one in entries if (found := edit(one, view or View(), 36_500, NOW))]
    return build(head(name), edits).data


def check_bytes(data: bytes) -> None:
    """Raise AssertionError unless the bytes are as RFC 5545 wants them."""
    assert data.startswith(b"BEGIN:VCALENDAR\r\n")
    assert data.endswith(b"END:VCALENDAR\r\n")
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    for line in data.split(b"\r\n"):
        assert len(line) <= 75
        assert all(c.isprintable() or c in "\t\u00a0" or ord(c) > 0x9F for c in line.decode())
    assert b"REFRESH-INTERVAL;VALUE=DURATION:" in data
    for name in (b"METHOD", b"ORGANIZER", b"ATTENDEE", b"SOURCE"):
        assert b"\r\n" + name + b":" not in data
        assert b"\r\n" + name + b";" not in data


def check(data: bytes) -> list[Component]:
    """Check a feed's bytes and what icalendar makes of them; the events."""
    check_bytes(data)
    calendar = Calendar.from_ical(data)
    assert isinstance(calendar, Calendar)
    calendar.validate()  # type: ignore[no-untyped-call]
    assert not [error for part in calendar.walk() for error in part.errors]
    events = calendar.walk("VEVENT")
    uids = [str(event["UID"]) for event in events]
    assert len(uids) == len(set(uids))
    for event in events:
        assert set(event.required) <= set(event)
        single: set[str] = set(event.singletons)
        assert not [name for name in single if isinstance(event.get(name), list)]
        assert event.get("STATUS", "TENTATIVE") in {"TENTATIVE", "CONFIRMED", "CANCELLED"}
        assert "DTEND" not in event or event.decoded("DTEND") > event.decoded("DTSTART")
    return list(events)
