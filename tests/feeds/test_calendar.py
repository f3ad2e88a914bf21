"""Bookings as calendars want them: the bytes of events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ical.calendar_stream import IcsCalendarStream
from icalendar import Event

from bridge.core.bookings import (
    PASSED_ON,
    Answer,
    Booker,
    Booking,
    BookingType,
    Directory,
    Guest,
    Host,
    Location,
    Person,
)
from bridge.core.feeds.calendar import View, changed, finish, summary, uid, vevent
from bridge.core.feeds.colours import NAMES, css_name
from bridge.core.feeds.content_lines import line, text
from bridge.core.feeds.tokens import DETAILS, Detail, Options
from bridge.core.reading import read_booking
from bridge.core.text import clean
from tests.feeds.calendars import BOOKING, NOW, START, check, entry, feed

CASES = Path(__file__).parent.parent / "cases" / "feeds"
PEOPLE = Directory([Person("665fa", "Ana Lima"), Person("665fb", "Bo")])
TYPES = {"665f01": BookingType("665f01", "Intro Call", color="#4F46E5")}
VIEWS = {
    "full": View(Options("full"), people=PEOPLE, types=TYPES),
    "alarm": View(Options("full", 15), people=PEOPLE, types=TYPES),
    "team": View(Options("title"), team=True, people=PEOPLE, types=TYPES),
    "busy": View(Options("busy"), team=True, people=PEOPLE, types=TYPES),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_whole_feed(name: str) -> None:
    """The exact bytes of a feed, at each level of detail."""
    shown = replace(BOOKING, status="CANCELLED", uid="bk_2", start=START + timedelta(days=1))
    pending = replace(
        BOOKING, status="PENDING", uid="bk_3", location=Location("IN_PERSON", (("address", "1 High St"),))
    )
    data = feed(entry(), entry(shown, 2), entry(pending), view=VIEWS[name])
    check(data)
    assert data == (CASES / f"{name}.ics").read_bytes()


@pytest.mark.parametrize(
    ("status", "said", "free"),
    [
        ("PENDING", "TENTATIVE", "TENTATIVE"),
        ("CONFIRMED", "CONFIRMED", "BUSY"),
        ("COMPLETED", "CONFIRMED", "BUSY"),
        ("CANCELLED", "CANCELLED", "FREE"),
        ("DECLINED", "CANCELLED", "FREE"),
        ("AWAITING_PAYMENT", None, "BUSY"),
        ("", None, "BUSY"),
    ],
)
def test_status(status: str, said: str | None, free: str) -> None:
    """Copera's statuses in a calendar's words; one that is not known claims nothing."""
    (event,) = check(feed(entry(replace(BOOKING, status=status))))
    assert event.get("STATUS") == said
    assert event["X-MICROSOFT-CDO-BUSYSTATUS"] == free
    assert event["TRANSP"] == ("TRANSPARENT" if free == "FREE" else "OPAQUE")


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("end", "duration", "finished"),
    [
        (START + HOUR, 60, START + HOUR),
        (START - HOUR, 45, START + timedelta(minutes=45)),
        (START - HOUR, None, None),
        (START, 0, None),
        (None, 30, START + timedelta(minutes=30)),
        (None, None, None),
        (START + timedelta(microseconds=5), None, None),
    ],
)
def test_odd_times(end: datetime | None, duration: int | None, finished: datetime | None) -> None:
    """An end that makes no sense is the length's, or none: never an event that breaks a calendar."""
    booking = replace(BOOKING, end=end, duration=duration)
    assert finish(booking) == finished
    (event,) = check(feed(entry(booking)))
    assert event.decoded("DTSTART") == START
    assert (event.decoded("DTEND") if finished else event.get("DTEND")) == finished


def test_without_a_start() -> None:
    """A calendar has no place for what has no time; its neighbours stay."""
    assert vevent(entry(replace(BOOKING, start=None)), View()) == b""
    assert len(check(feed(entry(replace(BOOKING, start=None)), entry(replace(BOOKING, uid="bk_2"))))) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "Eve\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nBEGIN:VALARM\r\nTRIGGER:-PT0S",
        "Eve\nBEGIN:VALARM",
        "\x00\x01\x1b[31mred\x7f",
        "\u202eevil\u2066",
        "lone \ud800 surrogate",
        "\u2028\u2029\x85",
        "C:\\New folder\\; and, more\\",
        "🧑‍🚀" * 40,
        "ü" * 500,
        "a" * 100_000,
        '";:,\\N\\n^n',
    ],
)
def test_hostile_text(bad: str) -> None:
    """Whatever a booker typed is text in its place: no line, no property, no event of its own."""
    booking = replace(
        BOOKING,
        type_title=bad,
        booker=Booker(bad, bad, bad, bad, bad),
        guests=(Guest(bad, bad),),
        answers=(Answer(bad, bad, (bad, bad)),),
        location=Location(bad, ((bad, bad), ("url", "https://x.example/" + bad))),
    )
    data = feed(entry(booking), entry(replace(BOOKING, uid="bk_2")), name=bad)
    one, other = check(data)
    assert {len(one.subcomponents), len(other.subcomponents)} == {0}
    assert b"\r\nBEGIN:VALARM" not in data
    assert len(data) < 60_000
    assert vevent(entry(replace(BOOKING, uid="bk_2")), View()) in data


def test_an_answer_of_100_kb_is_cut() -> None:
    """The beginning stays, and so do the answers after it."""
    answers = (Answer("1", "Long", ("x" * 100_000,)), Answer("2", "Topic", ("Pricing",)))
    (event,) = check(feed(entry(replace(BOOKING, answers=answers))))
    description = str(event["DESCRIPTION"])
    assert description.endswith("x …\nTopic: Pricing")
    assert len(description) < 2_500


@pytest.mark.parametrize(
    "guests", ["eve@example.com", ["a@b.c", None, {"name": "Bo"}, 7], None, {"email": "x@y.z"}, {}]
)
@pytest.mark.parametrize("location", [None, "Room 5", {"type": "HOLOGRAM", "x": [1, {"y": 2}]}, []])
def test_shapes_no_guide_tells(guests: object, location: object) -> None:
    """Guests and places of any shape are in the feed as well as they can be."""
    data = {
        "uid": "b",
        "status": "CONFIRMED",
        "start": START.isoformat(),
        "guests": guests,
        "location": location,
    }
    check(feed(entry(read_booking(data))))


def test_uids_tell_nothing() -> None:
    """Random-looking, the same for ever, different for every booking (RFC 7986 §5.3)."""
    assert uid("bk_1") == "24695e55-81fb-5daa-97b2-1a7aaceffc2c"
    assert len({uid(str(n)) for n in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("new", "team", "own"),
    [
        (BOOKING, (), ()),
        (replace(BOOKING, hosts=tuple(replace(h, role="X") for h in BOOKING.hosts)), (), ()),
        (replace(BOOKING, timezone="Nowhere/Else"), (), ()),  # the booker's own says the same
        (replace(BOOKING, answers=()), ("full",), ("full",)),
        (replace(BOOKING, booker=Booker("Bob")), ("full",), ("full",)),
        (replace(BOOKING, type_title="Other"), ("full", "title"), ("full", "title")),
        (replace(BOOKING, type_id="665f02"), ("full", "title"), ("full", "title")),  # of another colour
        (replace(BOOKING, hosts=(Host("x"),)), ("full", "title"), ("full",)),
        (replace(BOOKING, end=START + HOUR), DETAILS, DETAILS),
        (replace(BOOKING, status="PENDING"), DETAILS, DETAILS),
    ],
)
def test_which_levels_see_a_change(new: Booking, team: tuple[Detail, ...], own: tuple[Detail, ...]) -> None:
    """What rises with a change is what shows it, in feeds of several hosts and in a host's own."""
    for view, levels in ((VIEWS["team"], team), (VIEWS["full"], own)):
        assert changed(BOOKING, new, view, view) == levels


@pytest.mark.parametrize(
    ("after", "team", "own"),
    [
        (View(people=PEOPLE, types=TYPES), (), ()),
        (View(people=PEOPLE), ("full", "title"), ("full", "title")),
        (View(types=TYPES), ("full", "title"), ("full",)),
    ],
)
def test_which_levels_see_a_name(after: View, team: tuple[Detail, ...], own: tuple[Detail, ...]) -> None:
    """Names of hosts and colours of types are shown, too."""
    for view, levels in ((VIEWS["team"], team), (VIEWS["full"], own)):
        assert changed(BOOKING, BOOKING, view, replace(after, team=view.team)) == levels


def test_titles() -> None:
    """What stands in a calendar's box."""
    assert summary(BOOKING, VIEWS["full"]) == "Intro Call with Alice Booker"
    assert summary(BOOKING, VIEWS["team"]) == "Intro Call (Ana Lima and Bo)"
    assert summary(BOOKING, VIEWS["busy"]) == "Busy"
    assert (
        summary(replace(BOOKING, status="CANCELLED"), VIEWS["full"])
        == "Cancelled: Intro Call with Alice Booker"
    )
    assert (
        summary(replace(BOOKING, status=PASSED_ON), VIEWS["full"])
        == "Reassigned: Intro Call with Alice Booker"
    )
    assert summary(Booking("x"), VIEWS["full"]) == "Booking"


@pytest.mark.parametrize(
    ("zone", "start", "minutes", "said"),
    [
        ("America/New_York", "2026-11-01T05:30", 60, "1 November 2026, 01:30 UTC-4–01:30 UTC-5"),
        ("America/New_York", "2026-11-01T06:00", 30, "1 November 2026, 01:00 UTC-5–01:30 UTC-5"),
        ("America/New_York", "2026-11-01T07:00", 30, "1 November 2026, 02:00–02:30"),
        ("America/New_York", "2026-03-08T06:30", 60, "8 March 2026, 01:30 UTC-5–03:30 UTC-4"),
        ("Europe/London", "2026-10-25T00:30", 60, "25 October 2026, 01:30 UTC+1–01:30 UTC"),
        ("Australia/Lord_Howe", "2026-04-04T14:30", 60, "5 April 2026, 01:30 UTC+11–02:00 UTC+10:30"),
        ("Europe/Berlin", "2026-10-24T22:00", 1440, "25 October 2026, 00:00 UTC+2–23:00 UTC+1"),
    ],
)
def test_a_booking_in_the_hour_when_clocks_change(zone: str, start: str, minutes: int, said: str) -> None:
    """Its times in the booker's zone can be told apart: from 01:30 to 01:30 is no hour."""
    begins = datetime.fromisoformat(start).replace(tzinfo=UTC)
    ends = begins + timedelta(minutes=minutes)
    at_night = replace(BOOKING, timezone=zone, start=begins, end=ends, duration=minutes)
    [event] = check(feed(entry(at_night)))
    assert f"{said} ({zone})" in str(event["DESCRIPTION"])


def test_colours() -> None:
    """COLOR is a CSS3 name (RFC 7986 §5.9)."""
    assert len(NAMES) == 140
    assert css_name("#4F46E5") == "slateblue"
    assert css_name("#f00") == css_name("ff0000ff") == css_name(" Red ") == "red"
    assert css_name("") == css_name("rgb(1,2,3)") == css_name("#12345") == ""


anything = st.text(max_size=30)
moments = st.datetimes(datetime(1971, 1, 1), datetime(8999, 1, 1)).map(lambda m: m.replace(tzinfo=UTC))  # noqa: DTZ001
bookings = st.builds(
    Booking,
    id=anything,
    uid=anything,
    status=st.sampled_from(["PENDING", "CONFIRMED", "CANCELLED", "DECLINED", "COMPLETED", ""]) | anything,
    type_id=anything,
    type_title=anything,
    start=st.none() | moments,
    end=st.none() | moments,
    duration=st.none() | st.integers(0, 525_600),
    timezone=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "../../etc/passwd"]) | anything,
    hosts=st.lists(st.builds(Host, anything, anything), max_size=4).map(tuple),
    booker=st.builds(Booker, anything, anything, anything, anything, anything),
    guests=st.lists(st.builds(Guest, anything, anything), max_size=4).map(tuple),
    answers=st.lists(st.builds(Answer, anything, anything, st.lists(anything).map(tuple)), max_size=4).map(
        tuple
    ),
    location=st.builds(Location, anything, st.lists(st.tuples(anything, anything), max_size=4).map(tuple)),
)
surrogates = st.text(st.characters(categories=None), max_size=50)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(bookings, max_size=5, unique_by=lambda one: one.uid), st.sampled_from(list(VIEWS)))
def test_every_feed_reads_back(made: list[Booking], view: str) -> None:
    """icalendar, strict about values as `ical` is, reads every feed back to what went in."""
    seen = VIEWS[view]
    data = feed(*map(entry, made), view=seen, name=made[0].type_title if made else "")
    events = {str(event["UID"]): event for event in check(data)}
    IcsCalendarStream.calendar_from_ics(data.decode())
    assert set(events) == {uid(one.uid) for one in made if one.start}
    for booking in made:
        if booking.start is None:
            continue
        event = events[uid(booking.uid)]
        end = finish(booking)
        assert event.decoded("DTSTART") == booking.start.replace(microsecond=0)
        assert (event.decoded("DTEND") if end else None) == (end.replace(microsecond=0) if end else None)
        assert str(event["SUMMARY"]) == summary(booking, seen)
        assert event.decoded("DTSTAMP") == event.decoded("LAST-MODIFIED") == NOW


@given(bookings.filter(lambda one: one.start is not None), st.sampled_from(list(VIEWS)))
def test_the_same_bytes_as_icalendar(booking: Booking, view: str) -> None:
    """Read and written by icalendar, an event is what it was but for where lines are folded."""
    data = vevent(entry(booking), VIEWS[view]).replace(b"\r\n ", b"")
    if rb"\\N" not in data:  # which icalendar's vText makes a line break of
        assert Event.from_ical(data).to_ical().replace(b"\r\n ", b"") == data


@given(surrogates)
@example("\\" * 200)
@example("a" * 73 + "\\,")
def test_a_line_unfolds_to_what_it_was(value: str) -> None:
    """Folding and escaping lose nothing, cut no character, and leave no escape behind."""
    folded = line("X", text(value))
    assert folded.endswith(b"\r\n")
    pieces = folded[:-2].split(b"\r\n ")
    assert all(len(piece) <= 74 and piece.decode() for piece in pieces)
    whole = b"".join(pieces).decode().removeprefix("X:")
    plain = whole.replace("\\\\", "\0").replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";")
    assert plain.replace("\0", "\\") == clean(value)
