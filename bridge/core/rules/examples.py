"""Events in short form, and the `examples` of a rules file run against its rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.core.bookings import CANCELLED, CONFIRMED, DECLINED, Booking, Directory, Event
from bridge.core.reading import read_booking
from bridge.core.rules.example_keys import SHORT_EVENT
from bridge.core.rules.grammar import BAD, Reading
from bridge.core.rules.rules import Rules
from bridge.core.text import fold
from bridge.core.yaml_file.problems import Enough, Problem, RulesError
from bridge.core.yaml_file.tree import read_tree

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
    reading = Reading(lost=tree.lost)
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
