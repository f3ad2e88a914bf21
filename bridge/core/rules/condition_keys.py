"""The keys of `when`: one entry of the table each, with what it reads, what it does and examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from bridge.core.bookings import EVENT_KINDS, STATUSES
from bridge.core.rules.amounts import DAY_NAMES, read_clock, read_day, read_length, read_minutes, read_number
from bridge.core.rules.conditions import (
    All,
    Answered,
    AnyOf,
    AtTime,
    Between,
    Condition,
    Matches,
    Not,
    OnDay,
    Starts,
)
from bridge.core.rules.grammar import BAD, SCALAR, As, Kind, Reading, Text, form
from bridge.core.rules.patterns import compile_pattern
from bridge.core.rules.tables import Either, Key, ListOf, MapOf, Named, Table, one_of
from bridge.core.suggestions import did_you_mean, quote
from bridge.core.text import fold
from bridge.core.yaml_file.nodes import MapNode, join

Conditions = tuple[Condition, ...]
LENGTH_PATTERN: Final = r"^\s*(?=\S)(\d{1,5}[dD])?\s*(\d{1,6}[hH])?\s*(\d{1,7}[mM]([iI][nN])?)?\s*$"
CLOCK_PATTERN: Final = r"^\s*\d{1,2}:\d{2}\s*[\u2013\u2014-]\s*\d{1,2}:\d{2}\s*$"


def read_event_name(text: str) -> str:
    """The short name of an event. Raises ValueError."""
    name = text.strip().removeprefix("booking.")
    if "," in name:
        raise ValueError(f"{quote(text)} is not an event; several are a list: [{text.strip()[:60]}]")
    if name not in EVENT_KINDS:
        known = ", ".join(EVENT_KINDS)
        raise ValueError(f"unknown event {quote(text)}{did_you_mean(name, EVENT_KINDS)}; events are {known}")
    return name


EVENT: Final = Text(
    "an event", read_event_name, {"enum": [*EVENT_KINDS, *(f"booking.{name}" for name in EVENT_KINDS)]}
)
PATTERN_FORM: Final = form(
    SCALAR, r"^(?!\s*$)(?!/)|^/[\s\S]+/i?$", "A pattern is not empty; a regular expression is /…/ or /…/i."
)
PATTERN: Final = Text("text or a pattern", compile_pattern, PATTERN_FORM)
PATTERNS: Final = Named("patterns", lambda: ListOf(PATTERN, "patterns", single=True))


def _odd_mail(text: str) -> str:
    said = text.strip()
    if said.startswith(("/", "*")) or ("@" in said[1:] or "*" in said):
        return ""
    mail = "*@" + said.removeprefix("@") if "." in said or said.startswith("@") else f"{said}@*"
    return f"no e-mail is {quote(said)}, and a pattern is for the whole of it (did you mean {quote(mail)}?)"


def _odd_status(text: str) -> str:
    said = text.strip()
    if said.startswith("/") or "*" in said or "?" in said or said.upper() in STATUSES:
        return ""
    known = ", ".join(STATUSES)
    return f"Copera's guide has no status {quote(said)}{did_you_mean(said, STATUSES)}; it has {known}"


def _doubted(doubt: Callable[[str], str]) -> Kind:
    """Patterns about which something may be odd."""
    pattern = replace(PATTERN, doubt=doubt)
    return Named("patterns", lambda: ListOf(pattern, "patterns", single=True))


_MAILS: Final = _doubted(_odd_mail)
_STATUSES: Final = _doubted(_odd_status)
LENGTH: Final = Text(
    "a length of time such as 30m, 2h or 3d",
    read_length,
    form({"type": "string"}, LENGTH_PATTERN, "A length of time looks like 30m, 1h30m or 3d."),
)
NUMBER: Final = Text(
    "a whole number",
    read_number,
    {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            form({"type": "string"}, r"^\d+$", "A whole number is wanted."),
        ]
    },
)
MINUTES: Final = Text(
    "a duration such as 30m or 1h30m",
    read_minutes,
    {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            form({"type": "string"}, LENGTH_PATTERN + r"|^\s*\d+\s*$", "A duration looks like 30m or 1h30m."),
        ]
    },
)
DAY: Final = Text("a day", read_day, {"enum": list(DAY_NAMES)})
CLOCK: Final = Text(
    'a span of the day such as "09:00-18:00"',
    read_clock,
    form({"type": "string"}, CLOCK_PATTERN, 'A span of the day looks like "09:00-18:00".'),
)


def _matches(path: str, patterns: Kind = PATTERNS) -> Kind:
    return As(patterns, lambda patterns: (Matches(path, patterns),))


def _parts(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    _check_sense(values, node, path, reading)
    return tuple(part for parts in values.values() for part in parts)


def _check_sense(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> None:
    """Warn of conditions that always or never hold."""
    for name in ("not", "booker", "answers"):
        key, value = node.entries.get(name, (None, None))
        if (
            key
            and isinstance(value, MapNode)
            and not (value.entries or value.broken or reading.is_torn(value))
        ):
            said = f"nothing is asked here, so that it {'never' if name == 'not' else 'always'} holds"
            reading.warn(key, join(path, name), said)
    within, after = values.get("starts_within"), values.get("starts_after")
    if within and after and within[0].length <= after[0].length:
        said = f"no booking starts both {within[0].wanted()} and {after[0].wanted()}, so this never holds"
        reading.warn(node.entries["starts_after"][1], join(path, "starts_after"), said)


def _amount(path: str, kind: Kind, example: Any) -> Kind:
    limits = {
        "min": Key(kind, "At least this, included.", (example,)),
        "max": Key(kind, "At most this, included.", (example,)),
    }

    def between(values: dict[str, Any], node: MapNode, where: str, reading: Reading) -> Any:
        low, high = values.get("min"), values.get("max")
        if not node.entries:
            return reading.wrong(node, where, "expected min, max or both")
        if low is not None and high is not None and low > high:
            return reading.wrong(node, where, "min is more than max, so this never holds")
        return (Between(path, low, high),)

    mapping = Table("a mapping with min and max", limits, between, form=one_of(limits))
    return Either(mapping, As(kind, lambda n: (Between(path, n, n),)))


def _starts(path: str) -> Kind:
    return As(LENGTH, lambda length: (Starts(path, length),))


def _answers(patterns: dict[str, Any]) -> Conditions:
    return tuple(Answered(f"answers.{label}", found, fold(label)) for label, found in patterns.items())


BOOKER: Final = {
    "name": Key(_matches("booker.name"), "The booker's name.", ("Ana *",)),
    "email": Key(
        _matches("booker.email", _MAILS), "The booker's e-mail.", ("*@bigco.com", "/@(acme|globex)\\./i")
    ),
    "phone": Key(_matches("booker.phone"), "The booker's telephone number as typed.", ("+55*",)),
    "timezone": Key(_matches("booker.timezone"), "The booker's time zone.", ("America/*",)),
    "locale": Key(_matches("booker.locale"), "The booker's language.", ("pt*",)),
}

KEYS: Final[dict[str, Key]] = {
    "event": Key(
        As(
            ListOf(EVENT, "events", single=True),
            lambda names: (Matches("event", tuple(compile_pattern(name) for name in names)),),
        ),
        "What happened: the event is one of these.",
        ("created", ["cancelled", "rescheduled"]),
    ),
    "type": Key(
        _matches("type"), "The booking type's title, slug or id matches.", ("Intro Call", ["demo-*"])
    ),
    "status": Key(_matches("status", _STATUSES), "The booking's status matches.", tuple(STATUSES[:2])),
    "host": Key(_matches("host"), "Any host's id, name or e-mail matches.", ("ana@example.com", "Ana *")),
    "booker": Key(
        Either(
            Table("a pattern for the e-mail or a mapping", BOOKER, _parts),
            _matches("booker.email", _MAILS),
        ),
        "Who booked: a pattern for the e-mail, or a mapping of patterns.",
        ("*@bigco.com", {"name": "Ana *", "locale": "pt*"}),
    ),
    "answers": Key(
        As(MapOf(PATTERNS, "a mapping of question and pattern"), _answers),
        "For every question named (its label or id) the answer matches; of a list answer, any item.",
        ({"Topic": "*pricing*"},),
    ),
    "location": Key(_matches("location"), "The location's type matches.", ("MEETING_CHANNEL",)),
    "guests": Key(_amount("guests", NUMBER, 2), "How many guests come along.", (0, {"min": 2})),
    "duration": Key(_amount("duration", MINUTES, "30m"), "How long it takes.", ("30m", {"min": "1h"})),
    "starts_within": Key(_starts("starts_within"), "Starts at most this long after the event.", ("2h", "3d")),
    "starts_after": Key(_starts("starts_after"), "Starts more than this long after the event.", ("2h", "3d")),
    "day": Key(
        As(ListOf(DAY, "days", single=True), lambda days: (OnDay("day", days),)),
        "Starts on one of these days, in settings.timezone.",
        ("weekend", ["mon", "tue"]),
    ),
    "time": Key(
        As(ListOf(CLOCK, "spans of the day", single=True), lambda spans: (AtTime("time", spans),)),
        "Starts within this span of the day, its end left out; may cross midnight; in settings.timezone.",
        ("09:00-18:00", "22:00-06:00"),
    ),
    "not": Key(
        As(Named("when", lambda: WHEN), lambda inner: (Not("not", inner),)),
        "Holds when this mapping of conditions does not.",
        ({"type": "Intern chat"},),
    ),
    "any": Key(
        As(
            ListOf(Named("when", lambda: WHEN), "mappings of conditions"),
            lambda alternatives: (AnyOf("any", alternatives),),
        ),
        "Holds when any of these mappings of conditions does.",
        ([{"type": "Demo"}, {"booker": "*@bigco.com"}],),
    ),
}


def _when(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    """The conditions joined by AND; BAD when one of them is, so that no rule matches more than was meant."""
    if set(values) != set(node.entries):
        return BAD
    return All(_parts(values, node, path, reading))


WHEN: Final[Table] = Table(
    "a mapping of conditions",
    KEYS,
    _when,
    "Conditions joined by AND; a list is any-of. Without conditions everything matches.",
)
