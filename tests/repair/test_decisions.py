"""Which difference is an event, and which is none: decided on values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.bookings import Booker, Booking, Event, Host
from bridge.core.reading import read_envelope, read_event
from bridge.core.repair import Gist, difference, document, gist, is_told, matters

NOW = datetime(2026, 7, 6, 9, tzinfo=UTC)
DAY = timedelta(days=1)
BOOKED = Booking(
    "u1",
    "u1",
    "CONFIRMED",
    "type1",
    start=NOW + DAY,
    end=NOW + DAY + timedelta(minutes=30),
    duration=30,
    hosts=(Host("ana"),),
    booker=Booker("Alice", "alice@example.com"),
)
MOVED = replace(BOOKED, start=NOW + 2 * DAY, end=NOW + 2 * DAY + timedelta(minutes=30))
PENDING, CANCELLED, DECLINED, COMPLETED = (
    replace(BOOKED, status=status) for status in ("PENDING", "CANCELLED", "DECLINED", "COMPLETED")
)
GIVEN = replace(BOOKED, hosts=(Host("ben"),))

statuses = st.sampled_from(["PENDING", "CONFIRMED", "CANCELLED", "DECLINED", "COMPLETED", "", "NEW"])
moments = st.none() | st.integers(0, 10**7).map(lambda seconds: NOW + timedelta(seconds=seconds))
gists = st.builds(Gist, statuses, moments, moments, st.frozensets(st.sampled_from("abc")))


@pytest.mark.parametrize(
    ("told", "seen", "name"),
    [
        (None, BOOKED, "created"),
        (None, PENDING, "created"),
        (None, CANCELLED, "cancelled"),
        (BOOKED, BOOKED, None),
        (PENDING, BOOKED, "confirmed"),
        (PENDING, DECLINED, "declined"),
        (BOOKED, CANCELLED, "cancelled"),
        (BOOKED, MOVED, "rescheduled"),
        (BOOKED, GIVEN, "reassigned"),
        (BOOKED, COMPLETED, None),
        (PENDING, COMPLETED, "confirmed"),
        (CANCELLED, replace(DECLINED, start=NOW), None),
        (BOOKED, replace(BOOKED, status="SOMETHING_NEW"), None),
        (BOOKED, replace(GIVEN, start=MOVED.start, end=MOVED.end, status="CANCELLED"), "cancelled"),
        (PENDING, replace(MOVED, hosts=GIVEN.hosts), "confirmed"),
        (BOOKED, replace(MOVED, hosts=GIVEN.hosts), "rescheduled"),
        (BOOKED, replace(BOOKED, hosts=()), None),
        (BOOKED, replace(BOOKED, start=None), None),
        (replace(BOOKED, end=None), BOOKED, None),
    ],
)
def test_the_most_telling_difference_names_the_event(
    told: Booking | None, seen: Booking, name: str | None
) -> None:
    assert difference(gist(told) if told else None, gist(seen)) == name


@given(gists)
def test_what_was_told_is_no_difference(seen: Gist) -> None:
    """So that a repair, once told, is never told again; nor after it was written and read."""
    assert difference(seen, seen) is None
    assert Gist.read(seen.text()) == replace(seen, status=gist(Booking("", status=seen.status)).status)


@pytest.mark.parametrize(
    ("starts", "is_new", "looked", "is_told_of"),
    [
        (DAY, True, 2 * DAY, True),
        (-DAY / 2, True, DAY / 2, True),
        (-DAY / 2, True, 2 * DAY, False),
        (-5 * DAY, False, DAY / 2, True),
        (-5 * DAY, True, DAY / 2, False),
    ],
)
def test_what_matters_lies_ahead_or_changed_within_a_day(
    starts: timedelta, is_new: bool, looked: timedelta, is_told_of: bool
) -> None:
    seen = gist(replace(BOOKED, start=NOW + starts))
    assert matters(seen, is_new=is_new, last_look=NOW - looked, now=NOW) is is_told_of


def test_a_repair_is_an_event_in_coperas_form() -> None:
    """Its time is when it was seen, and later than what was told before, whoever's clock that was."""
    event = read_event(document("rescheduled", MOVED, NOW, None), source="repair")
    assert (event.name, event.at, event.booking, event.source) == ("rescheduled", NOW, MOVED, "repair")
    ahead = NOW + timedelta(minutes=5)
    assert read_event(document("rescheduled", MOVED, NOW, ahead)).at > ahead
    body = document("rescheduled", MOVED, NOW, None)
    assert read_envelope(body).id == read_envelope(document("rescheduled", MOVED, NOW, None)).id


REPAIR = Event("r", "rescheduled", NOW, MOVED, "repair")
WEBHOOK = Event("w", "rescheduled", NOW - DAY, MOVED)


@pytest.mark.parametrize(
    ("event", "known", "is_late", "repaired_at", "told"),
    [
        (WEBHOOK, REPAIR, True, NOW, True),
        (replace(WEBHOOK, at=NOW + DAY), REPAIR, False, NOW, True),  # the clocks differ
        (replace(WEBHOOK, at=NOW + DAY, booking=GIVEN), REPAIR, False, NOW, False),
        (replace(WEBHOOK, booking=BOOKED), REPAIR, True, NOW, True),
        (replace(WEBHOOK, name="no_show"), REPAIR, True, NOW, False),
        (WEBHOOK, None, True, None, False),
        (WEBHOOK, replace(WEBHOOK, id="x", at=NOW), True, None, False),
        (REPAIR, WEBHOOK, False, None, True),
        (REPAIR, replace(WEBHOOK, booking=BOOKED), False, None, False),
        (REPAIR, replace(WEBHOOK, booking=BOOKED, at=NOW + DAY), True, None, True),
        (REPAIR, REPAIR, False, NOW, False),  # replayed
        (REPAIR, None, False, None, False),
    ],
)
def test_each_way_leaves_to_the_other_what_it_told(
    event: Event, known: Event | None, is_late: bool, repaired_at: datetime | None, told: bool
) -> None:
    assert is_told(event, known, is_late=is_late, repaired_at=repaired_at) is told
