"""Events of any content route without an exception, and the index finds what the conditions say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.bookings import (
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
from bridge.core.reading import NotAnEvent, Unrecognised, read_booking, read_event
from bridge.core.routing import route
from bridge.core.rules.context import Context
from bridge.core.rules.explaining import explain, explain_lines
from bridge.core.rules.file import load
from tests.rules.cases import CASES

RULES = load((CASES / "good_every_key.yaml").read_bytes()).rules
DIRECTORY = Directory([Person("h1", "Ana Lima", "ana@example.com")], RULES.people)
FIELDS = (
    "id",
    "uid",
    "status",
    "bookingTypeId",
    "bookingTypeTitle",
    "start",
    "end",
    "durationMinutes",
    "timezoneAtBooking",
    "hosts",
    "booker",
    "guests",
    "answers",
    "location",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)), st.dictionaries(st.text(), JSON))
def test_any_json_routes(data: dict[str, Any], former: dict[str, Any]) -> None:
    """Whatever Copera sends in whatever field, the event is routed and explained."""
    document = {
        "event": "booking.reassigned",
        "createdAt": "2026-07-06T09:00:00.000Z",
        "data": {"id": "x", **data},
    }
    try:
        event = read_event(json.dumps(document).encode())
    except (NotAnEvent, Unrecognised):
        return
    decision = route(event, RULES, directory=DIRECTORY, previous=read_booking(former))
    json.dumps(explain(event, decision))
    assert explain_lines(event, decision)


WORDS = st.sampled_from(
    [
        "",
        "Intro Call",
        "intro call",
        "Demo",
        "demo-eu",
        "DEMO-EU",
        "a",
        "Straße",
        "STRASSE",
        "x*y",
        "11",
        "İ",
        "Jose\u0301",
    ]
)
PATTERNS = st.sampled_from(
    [
        "Intro Call",
        "demo-*",
        "*",
        "?",
        "/^demo/i",
        "/Call/",
        "/a/",
        "straße",
        "STRA*",
        "jos\u00e9",
        "jos?",
        "x[*]y",
        "1?",
        "/^$/",
        "i*",
    ]
)
LISTS = st.lists(PATTERNS, min_size=1, max_size=3)
SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "type": LISTS,
        "status": LISTS,
        "host": LISTS,
        "location": PATTERNS,
        "booker": st.fixed_dictionaries({}, optional={"name": LISTS, "email": PATTERNS}),
        "answers": st.dictionaries(st.sampled_from(["Topic", "q1", "Size"]), LISTS, max_size=2),
        "event": st.lists(st.sampled_from(["created", "cancelled"]), min_size=1),
        "guests": st.integers(0, 2),
        "starts_within": st.sampled_from(["1h", "2d"]),
        "day": st.just("weekday"),
    },
)
WHENS = st.one_of(
    SIMPLE,
    st.builds(lambda inner: {"not": inner}, SIMPLE),
    st.builds(lambda a, b: {"any": [a, b]}, SIMPLE, SIMPLE),
)


@st.composite
def _events(draw: st.DrawFn) -> Event:
    at = datetime(2026, 7, 6, 9, tzinfo=UTC)
    booking = Booking(
        id="x",
        status=draw(WORDS),
        type_id=draw(st.sampled_from(["", "t1"])),
        type_title=draw(WORDS),
        start=draw(st.none() | st.integers(-50, 100).map(lambda hours: at + timedelta(hours=hours))),
        duration=draw(st.none() | st.integers(0, 90)),
        hosts=tuple(Host(name) for name in draw(st.lists(st.sampled_from(["h1", "a", "Demo"]), max_size=2))),
        booker=Booker(draw(WORDS), draw(WORDS)),
        guests=(Guest("g"),) * draw(st.integers(0, 2)),
        answers=tuple(
            Answer(*pair, tuple(values))
            for pair, values in draw(
                st.lists(
                    st.tuples(
                        st.sampled_from([("q1", "Topic"), ("q2", "Size")]), st.lists(WORDS, max_size=2)
                    ),
                    max_size=2,
                )
            )
        ),
        location=Location(draw(WORDS)),
    )
    return Event("e", draw(st.sampled_from(["created", "cancelled"])), at, booking)


@given(st.lists(WHENS, min_size=1, max_size=8), _events())
def test_index_agrees_with_conditions(whens: list[Any], event: Event) -> None:
    """The rules found through the index are those whose conditions hold, in order."""
    rules = [{"name": f"r{n}", "when": when, "post": {"to": f"c{n}"}} for n, when in enumerate(whens)]
    loaded = load(json.dumps({"version": 1, "rules": rules}).encode(), can_look_up=True).rules
    types = {"t1": BookingType("t1", "Intro Call", "demo-eu")}
    context = Context(event, DIRECTORY, types)
    expected = [n for n, rule in enumerate(loaded.rules) if rule.when.holds(context)]
    assert list(loaded.index.matching(Context(event, DIRECTORY, types))) == expected
    assert [step.matched for step in route(event, loaded, directory=DIRECTORY, types=types).trace] == [
        n in expected for n in range(len(rules))
    ]
    for rule in loaded.rules:
        assert rule.when.holds(context) is (rule.when.explain(context) is None)
