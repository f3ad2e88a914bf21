"""Whatever JSON Copera sends in any field, messages can be sent, and say nothing that nobody may say."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.bookings import EVENT_KINDS, Directory
from bridge.core.messages.messages import Scene, render, render_plain, render_reply
from bridge.core.reading import read_booking, read_event, read_member, read_type
from tests.messages import building
from tests.messages.slack_limits import assert_sendable
from tests.payloads import DATA

NASTY = st.sampled_from(
    [
        *("<!channel>", "<!here>", "@here", "<@U012AB3CD>", "<https://evil.example|x>", "&lt;!everyone&gt;"),
        *("*", "_", "~", "`", "```", "\n> ", ":tada:", "|", "{{ booking }}", "{% for %}", "\u202e", "\x00"),
        *("\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301" * 200, "&" * 900, '"\\' * 900, "\n" * 900),
        *("https://meet.example/<!here>", "America/Sao_Paulo", "../../etc/passwd", "2026-07-08T15:00:00Z"),
        *("9000-01-01T00:00:00Z", "1970-01-02T00:00:00Z", "x" * 9_000, "<" * 3_000, "\ud800"),
    ]
)
TEXT = st.one_of(st.text(), NASTY, st.lists(NASTY, max_size=4).map("".join))
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(TEXT, inner, max_size=5)),
    max_leaves=20,
)


def object_of(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly the shape that is expected, with anything in every field."""
    return st.one_of(st.fixed_dictionaries({}, optional=values), JSON)


ANSWER = object_of(questionId=TEXT, label=TEXT, value=st.one_of(JSON, TEXT))
BOOKER = object_of(**dict.fromkeys(DATA["booker"], TEXT))
BOOKING = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(DATA, JSON),
        "status": st.one_of(st.sampled_from(["PENDING", "CONFIRMED", "CANCELLED", "DECLINED"]), TEXT),
        "bookingTypeTitle": TEXT,
        "start": st.one_of(st.datetimes().map(lambda t: t.isoformat()), TEXT),
        "end": st.one_of(st.datetimes().map(lambda t: t.isoformat()), TEXT),
        "timezoneAtBooking": TEXT,
        "hosts": st.lists(st.fixed_dictionaries({"userId": st.one_of(st.just("host1"), TEXT)}), max_size=40),
        "booker": BOOKER,
        "guests": st.lists(st.one_of(TEXT, object_of(name=TEXT, email=TEXT)), max_size=40),
        "answers": st.lists(ANSWER, max_size=40),
        "location": object_of(type=TEXT, url=TEXT, phone=TEXT),
    },
)
RULES = building.rules(
    show={"phone": True},
    messages={
        "all": {
            "title": "{{ event.emoji }} {{ booking }} {{ booking.type }} {{ booking.booker }}",
            "body": "{{ booking | when }} *{{ booking.booker.name }}* {{ booking.location }} {{ previous }}\n"
            "{% for a in booking.answers %}{{ a.label }}: {{ a.text | upper }}\n{% endfor %}",
            "fields": {
                "Hosts": "{{ booking.hosts | mention }}",
                "Guests": "{{ booking.guests | join(' + ') }}",
                "Mail": "{{ booking.booker | mail }}",
                "Place": "{{ booking.location.url | link(booking.location.text) }}",
            },
            "footer": "{{ booking.status ~ ' ' ~ booking.timezone }}",
            "links": {"Open": "https://x.example/{{ booking.id }}?{{ booking.booker.email }}"},
        },
        "blocks": {
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "{{ booking.booker.name }}"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "*{{ booking.answers }}*"}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "{{ booking.guests }}"}]},
                {"type": "section", "text": {"type": "plain_text", "text": "{{ booking.location }} x"}},
            ]
        },
    },
)
DIRECTORY = Directory(map(read_member, building.MEMBERS))
MENTION = f"<@{building.SLACK_USER}>"


@settings(suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(EVENT_KINDS)),
    data=BOOKING,
    before=st.one_of(st.none(), BOOKING),
    color=st.one_of(st.none(), st.sampled_from(["#4F46E5", "teal"]), TEXT),
    former=st.booleans(),
)
def test_anything_can_be_sent(name: str, data: Any, before: Any, color: Any, former: bool) -> None:
    """Every message of every kind keeps Slack's limits and mentions nobody by a booker's text."""
    document = {"event": name, "createdAt": "2026-07-06T09:00:00Z", "data": {**data, "id": "b1"}}
    event = read_event(json.dumps(document).encode())
    scene = Scene(
        event,
        event.booking,
        read_booking(before) if before is not None else None,
        type=read_type({"_id": "t", "color": color}),
        directory=DIRECTORY,
        mentions={"ana@example.com": building.SLACK_USER},
        former=former,
    )
    default = render(scene, RULES)
    assert_sendable(default)
    assert_sendable(render_reply(scene, RULES))
    assert_sendable(render(scene, RULES, mention="host"), mentions=(MENTION,))
    for message in ("all", "blocks"):
        made = render(scene, RULES, message=message)
        assert_sendable(made, mentions=(MENTION,))
        assert_sendable(render_plain(made), mentions=(MENTION,)) if made.text else None
