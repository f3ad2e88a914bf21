"""Events in short form, and the `examples` of a rules file run against its rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.core.bookings import CANCELLED, CONFIRMED, DECLINED, Booking, BookingType, Directory, Event
from bridge.core.destinations import HOST, HOST_KEY
from bridge.core.example_keys import SHORT_EVENT, Example
from bridge.core.grammar import BAD, Reading
from bridge.core.near import listed, quote
from bridge.core.patterns import fold
from bridge.core.problems import Enough, Problem, RulesError
from bridge.core.reading import read_booking
from bridge.core.routing import Decision, Step, route
from bridge.core.rules import Rules
from bridge.core.yaml_tree import read_tree

_MONDAY: Final = datetime(2026, 1, 5, 9)  # noqa: DTZ001, the rules' zone is added
SOMEBODY: Final = "example-host"
"""The host of an example that names none."""
_STATUS: Final = {"cancelled": CANCELLED, "declined": DECLINED}
_DAY: Final = timedelta(days=1)


def make_event(
    values: Mapping[str, Any],
    *,
    zone: ZoneInfo,
    directory: Directory,
    now: datetime | None = None,
) -> tuple[Event, Booking | None]:
    """The event of a short form as `SHORT_EVENT` reads it, and the state before when it tells one.

    `now` (aware) is the event's time unless the form has `at`; left out it is a fixed Monday at 09:00
    in `zone`, so that an example gives the same answer on every day.
    """
    at = _aware(values["at"], zone) if "at" in values else now or _aware(_MONDAY, zone)
    name = values.get("event", "created")
    booking = _booking(values, at, zone, directory)
    before = values.get("previous")
    previous = _booking({**values, **before}, at, zone, directory) if before is not None else None
    return Event("example", name, at, booking), previous


def read_short(
    text: bytes, rules: Rules, *, directory: Directory | None = None, now: datetime | None = None
) -> tuple[Event, Booking | None]:
    """The event in a short form, as YAML or JSON text, and the state before. Raises RulesError."""
    tree = read_tree(text)
    reading = Reading(partial=tree.partial)
    values: Any = BAD
    try:
        for problem in tree.problems:
            reading.problems.add(problem)
        if tree.root is None and not tree.problems:
            reading.problems.add(Problem(1, 1, "", "there is no event: the text is empty"))
        elif tree.root is not None:
            values = SHORT_EVENT.read(tree.root, "", reading)
    except Enough:
        pass
    if reading.problems.failed or values is BAD:
        raise RulesError(reading.problems.sorted(), "event")
    known = directory if directory is not None else Directory(people=rules.people)
    return make_event(values, zone=rules.settings.timezone, directory=known, now=now)


def _aware(at: datetime, zone: ZoneInfo) -> datetime:
    try:
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        return at.replace(tzinfo=UTC)


def _booking(values: Mapping[str, Any], at: datetime, zone: ZoneInfo, directory: Directory) -> Booking:
    start = values.get("start")
    starts = _aware(start, zone) if start else _later(at, values.get("starts_in", _DAY))
    data = {
        "id": values.get("id", "example"),
        "status": values.get("status", _STATUS.get(values.get("event", ""), CONFIRMED)),
        "bookingTypeId": "",
        "bookingTypeTitle": values.get("type", ""),
        "start": starts.isoformat(),
        "durationMinutes": values.get("duration", 30),
        "timezoneAtBooking": zone.key,
        "hosts": [{"userId": _host(name, directory)} for name in values.get("host", (SOMEBODY,))],
        "booker": dict(values.get("booker", {})),
        "guests": [f"guest{n + 1}@example.com" for n in range(min(values.get("guests", 0), 1000))],
        "answers": [{"label": label, "value": list(v)} for label, v in values.get("answers", {}).items()],
        "location": dict(values.get("location", {})),
    }
    return read_booking(data)


def _later(at: datetime, length: timedelta) -> datetime:
    try:
        return at + length
    except OverflowError:
        return at


def _host(name: str, directory: Directory) -> str:
    """The id of the host so called; who is not known goes by that name."""
    folded = fold(name)
    known = (p for p in directory if folded in (fold(p.id), fold(p.name), fold(p.email)))
    return next((person.id for person in known), name)


def failures(
    examples: Iterable[Example], rules: Rules, now: datetime | None = None
) -> Iterable[tuple[Example, str]]:
    """The examples that do not hold, with the difference in words."""
    directory = Directory(people=rules.people)
    types: Mapping[str, BookingType] = {}
    for example in examples:
        if example.event is None or example.posts is None:
            continue
        event, previous = make_event(
            example.event, zone=rules.settings.timezone, directory=directory, now=now
        )
        decision = route(event, rules, directory=directory, types=types, previous=previous)
        said = _difference(example.posts, decision, rules)
        if said:
            yield example, said


def _difference(expected: tuple[str, ...], decision: Decision, rules: Rules) -> str:
    got = dict.fromkeys(
        HOST if match.destination.startswith(HOST_KEY) else match.destination for match in decision.matches
    )
    missing = [quote(name) for name in dict.fromkeys(expected) if name not in got]
    added = [
        f"{quote(HOST if m.destination.startswith(HOST_KEY) else m.destination)} (by {quote(m.rule)})"
        for m in decision.matches
        if (HOST if m.destination.startswith(HOST_KEY) else m.destination) not in expected
    ]
    if not missing and not added:
        return ""
    goes = listed(map(quote, got), "and") if got else "nowhere"
    parts = [
        f"this example does not hold: it goes to {goes}"
        if got
        else "this example does not hold: it goes nowhere"
    ]
    if missing:
        parts.append(f"missing {listed(missing, 'and')}{_why(expected, got, decision, rules)}")
    if added:
        parts.append(f"not expected {listed(dict.fromkeys(added), 'and')}")
    return "; ".join(parts)


def _why(expected: tuple[str, ...], got: Iterable[str], decision: Decision, rules: Rules) -> str:
    """Why the first rule that could have posted to what is missing did not."""
    missing = set(expected) - set(got)
    names = {rule.name for rule in rules.rules if any(missing & set(post.to) for post in rule.posts)}
    step = next((step for step in decision.trace if step.rule in names and not step.matched), None)
    return f" ({reason(step)})" if step else ""


def reason(step: Step) -> str:
    """Why a rule did not match, in words."""
    if not step.reached:
        return f"rule {quote(step.rule)} was not reached: an earlier rule stopped"
    about = f"{step.path} " if step.path else ""
    return f"rule {quote(step.rule)} did not match: {about}wanted {step.wanted}, got {step.got}"
