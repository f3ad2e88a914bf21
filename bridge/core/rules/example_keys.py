"""The keys of an example: an event in short form, which `explain` takes too, and where it should go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.core.rules.amounts import read_length, read_number
from bridge.core.rules.condition_keys import EVENT, LENGTH_PATTERN, MINUTES, NUMBER
from bridge.core.rules.destinations import DESTINATION_PATTERN, read_destination
from bridge.core.rules.grammar import SCALAR, Reading, Text, form
from bridge.core.rules.tables import Either, Key, ListOf, MapOf, Named, Table
from bridge.core.suggestions import quote
from bridge.core.yaml_file.nodes import MapNode, Node

_TEXT: Final = Text("text", str.strip, SCALAR)
_TEXTS: Final = ListOf(_TEXT, "texts", single=True, may_be_empty=True)


@dataclass(frozen=True, slots=True)
class Example:
    """One example as written: the event's values, the destinations expected (None: unreadable), its place.

    `node` and `path` are where `posts` stands, `whole` is the example, at `whole_path`.
    """

    event: dict[str, Any] | None
    posts: tuple[str, ...] | None
    node: Node
    path: str
    whole: Node
    whole_path: str


def _signed_length(text: str) -> timedelta:
    said = text.strip()
    return -read_length(said[1:]) if said.startswith("-") else read_length(said)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{quote(text)} is not a time; one looks like 2026-07-08T15:00") from None


_PLACE_FORM: Final = form(
    SCALAR, DESTINATION_PATTERN, 'Write a destination as under `to`, such as "#sales"; [] is nowhere.'
)
_TIME: Final = Text("a time such as 2026-07-08T15:00", _time, {"type": "string"})

SHORT_EVENT: Final[Table] = Table(
    "an event in short form: a mapping",
    {
        "event": Key(EVENT, "What happened. Default: created.", ("created",)),
        "id": Key(_TEXT, "The booking's id."),
        "type": Key(_TEXT, "The booking type's title.", ("Intro Call",)),
        "status": Key(_TEXT, "The booking's status. Default: what fits the event.", ("CONFIRMED",)),
        "host": Key(
            _TEXTS, "The hosts, by id, name or e-mail. Default: one nobody knows; [] is none.", ("Ana Lima",)
        ),
        "booker": Key(
            Either(
                Table(
                    "a mapping",
                    {
                        name: Key(_TEXT, f"The booker's {name}.")
                        for name in ("name", "email", "phone", "timezone", "locale")
                    },
                ),
                Text("an e-mail", lambda text: {"email": text.strip()}, SCALAR),
            ),
            "Who booked: an e-mail, or a mapping.",
            ({"email": "eva@bigco.com"},),
        ),
        "answers": Key(
            MapOf(_TEXTS, "a mapping of question and answer"), "The answers.", ({"Topic": "Pricing"},)
        ),
        "location": Key(
            Either(
                MapOf(_TEXT, "a mapping"),
                Text("a location type", lambda text: {"type": text.strip()}, SCALAR),
            ),
            "Where: the location's type, or a mapping.",
            ("MEETING_CHANNEL",),
        ),
        "guests": Key(
            Text("a number of guests", read_number, NUMBER.form), "How many guests come along.", (2,)
        ),
        "duration": Key(MINUTES, "How long it takes. Default: 30m.", ("30m",)),
        "starts_in": Key(
            Text(
                "a length of time such as 1d",
                _signed_length,
                form(
                    {"type": "string"},
                    LENGTH_PATTERN.replace("^", "^-?", 1),
                    "A length of time looks like 2h, 1d or -2h.",
                ),
            ),
            "How long after the event the booking starts; -2h is before it. Default: 1d.",
            ("1d", "-2h"),
        ),
        "start": Key(_TIME, "When the booking starts, instead of starts_in.", ("2026-07-08T15:00",)),
        "at": Key(
            _TIME,
            "When the event happens, in settings.timezone unless it says. Default: a Monday at 09:00.",
            ("2026-07-06T09:00",),
        ),
        "previous": Key(
            Named("event", lambda: SHORT_EVENT),
            "The booking's state before; what it leaves out did not change.",
        ),
    },
    doc="A booking event in short form.",
)


def _example(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    place = node.get("posts") or node
    posts = values.get("posts")
    return Example(
        values.get("event"), posts, place, f"{path}.posts" if node.get("posts") else path, node, path
    )


EXAMPLE: Final = Table(
    "an example: a mapping with `event` and `posts`",
    {
        "event": Key(
            Named("event", lambda: SHORT_EVENT),
            "The event in short form.",
            ({"event": "created", "type": "Intro Call"},),
            "`event` is missing",
        ),
        "posts": Key(
            ListOf(
                Text(
                    'a destination such as "#sales"',
                    read_destination,
                    _PLACE_FORM,
                ),
                "destinations",
                single=True,
                may_be_empty=True,
            ),
            "Where it goes, in any order; [] is nowhere.",
            (["#sales", "@host"],),
            "`posts` is missing; write `posts: []` when it goes nowhere",
        ),
    },
    _example,
)
