"""What changed is said in words, and only when it is known."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.changes import changes, is_news
from bridge.core.messages.messages import render_reply
from bridge.core.reading import read_booking
from tests.messages import building
from tests.payloads import DATA

NEW_TIME: dict[str, Any] = {"start": "2026-07-09T15:00:00Z", "end": "2026-07-09T15:30:00Z"}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, ()),
        ({"status": "PENDING"}, {}, ("status",)),
        ({}, NEW_TIME, ("time",)),
        ({}, {"hosts": [{"userId": "host2"}], "guests": ["Bo"]}, ("hosts",)),
        ({"guests": ["Al"]}, {"guests": ["Bo"]}, ("guests",)),
        ({}, {"location": {"type": "PHONE"}}, ("place",)),
        ({}, {"hosts": []}, ()),
        ({"start": None, "end": None}, {}, ()),
        ({"bookingTypeTitle": "Demo"}, {}, ("type",)),
        ({"hosts": [{"userId": "host1", "role": "X"}]}, {}, ()),
    ],
)
def test_changes(before: Any, after: Any, found: Any) -> None:
    """Only a difference between two known values is a change."""
    assert changes(read_booking({**DATA, **before}), read_booking({**DATA, **after})) == found


def test_nothing_known_before_is_no_change() -> None:
    assert changes(None, read_booking(DATA)) == ()


@pytest.mark.parametrize(
    ("event", "before", "news"),
    [
        ("created", None, True),
        ("confirmed", {}, False),
        ("created", {}, False),
        ("confirmed", {"status": "PENDING"}, True),
        ("confirmed", NEW_TIME, True),
        ("cancelled", {}, True),
        ("no_show", {}, True),
        ("rescheduled", {}, True),
    ],
)
def test_news(event: str, before: Any, news: bool) -> None:
    """A confirmed booking told twice is not news; everything else is."""
    previous = read_booking({**DATA, **before}) if before is not None else None
    assert is_news(building.scene(event).event, previous) == news


@pytest.mark.parametrize(
    ("event", "before", "after", "scene", "lines"),
    [
        ("rescheduled", {}, NEW_TIME, {}, [
            "Was Wednesday 8 July 2026, 16:00–16:30 (Europe/London)",
            "Now Thursday 9 July 2026, 16:00–16:30 (Europe/London)",
        ]),
        ("rescheduled", None, NEW_TIME, {}, ["Now Thursday 9 July 2026, 16:00–16:30 (Europe/London)"]),
        ("rescheduled", None, {"start": None, "end": None}, {}, ["Now time not known"]),
        ("reassigned", {}, {"hosts": [{"userId": "host2"}]}, {}, ["Now with Ben Okafor; was with Ana Lima."]),
        ("reassigned", None, {"hosts": [{"userId": "host2"}]}, {}, ["Now with Ben Okafor."]),
        ("reassigned", {}, {"hosts": []}, {}, []),
        ("reassigned", {}, {"hosts": [{"userId": "host2"}]}, {"host": "host2"},
         ["It is now yours; it was with Ana Lima."]),
        ("reassigned", {}, {"hosts": [{"userId": "host2"}]}, {"host": "host1", "former": True},
         ["It is no longer yours; it is now with Ben Okafor."]),
        ("confirmed", {"location": {"type": "PHONE"}}, {}, {}, ["Where: Meeting channel, was Phone"]),
        ("confirmed", {"guests": ["Al"]}, {"guests": ["Bo"]}, {}, ["Guests: Bo"]),
        ("confirmed", {}, {"status": "COMPLETED"}, {}, ["Status: Completed, was Confirmed"]),
        ("cancelled", {}, {"status": "CANCELLED"}, {}, []),
        ("confirmed", {"status": "PENDING"}, {}, {}, []),
        ("reassigned", {"status": "PENDING"}, {}, {},
         ["Now with Ana Lima.", "Status: Confirmed, was Awaiting confirmation"]),
        ("no_show", None, {}, {"note": "Found while catching up"},
         ["A no-show was recorded.", "Found while catching up"]),
    ],
)  # fmt: skip
def test_replies(event: str, before: Any, after: Any, scene: Any, lines: list[str]) -> None:
    """A reply names the booking, then what changed, line by line."""
    previous = {**DATA, **before} if before is not None else None
    made = render_reply(building.scene(event, previous=previous, scene=scene, **after), building.rules())
    said = made.text.split("\n")
    assert "Intro Call with Alice Booker" in said[0]
    assert said[1:] == lines
    assert len(made.blocks) == 1


def test_a_booking_that_is_over_says_so_whatever_came_last() -> None:
    """A burst folded into one edit shows the present state."""
    made = render_reply(building.scene("rescheduled", status="CANCELLED", **NEW_TIME), building.rules())
    assert made.text.startswith(":x: Cancelled: Intro Call")
