"""Lengths of time, whole numbers, days and times of day as an admin writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Final

from bridge.core.suggestions import did_you_mean, quote

_LENGTH: Final = re.compile(r"(?:(\d{1,5})d)?\s*(?:(\d{1,6})h)?\s*(?:(\d{1,7})m(?:in)?)?", re.IGNORECASE)
_SPELT: Final = re.compile(r"(\d{1,5})\s*(d|days?|h|hrs?|hours?|mins?|minutes?)\.?", re.IGNORECASE)
_CLOCK: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_RANGE: Final = re.compile("([^\\s\u2013\u2014-]+)\\s*[\u2013\u2014-]\\s*([^\\s\u2013\u2014-]+)")
_LARGEST: Final = 1_000_000_000
_MIDNIGHT: Final = 24 * 60

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_NAMES: Final[dict[str, frozenset[int]]] = {
    **{name: frozenset({number}) for number, name in enumerate(DAYS)},
    "weekday": frozenset(range(5)),
    "weekend": frozenset({5, 6}),
}
"""Days as `datetime.weekday` counts them: Monday is 0."""


class BadAmount(ValueError):
    """Text that is no such amount; the message is for the admin."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A span of the day in minutes after midnight, the end left out; it may cross midnight."""

    start: int
    end: int
    source: str = ""

    def holds(self, at: time) -> bool:
        minute = at.hour * 60 + at.minute
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return self.source


def read_length(text: str) -> timedelta:
    """ "30m", "1h30m", "2h", "3d" as a length of time. Raises BadAmount."""
    said = text.strip()
    found = _LENGTH.fullmatch(said)
    if not found or not said:
        if spelt := _SPELT.fullmatch(said):
            hint = f" (did you mean '{spelt[1]}{spelt[2][0].lower()}'?)"
        elif said.isdigit():
            hint = f"; say which unit: '{said[:9]}m', '{said[:9]}h' or '{said[:9]}d'"
        else:
            hint = "; write minutes, hours or days, such as 30m, 1h30m or 3d"
        raise BadAmount(f"{quote(said)} is not a length of time{hint}")
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def read_minutes(text: str) -> int:
    """A booking's duration in minutes: "30m", "1h30m", or a plain number of minutes. Raises BadAmount."""
    if text.strip().isdecimal():
        return read_number(text)
    return round(read_length(text) / timedelta(minutes=1))


def read_number(text: str) -> int:
    """A whole number from 0. Raises BadAmount."""
    said = text.strip()
    if not re.fullmatch(r"\d{1,10}", said, re.ASCII) or int(said) > _LARGEST:
        hint = ""
        if re.fullmatch(r"[<>]=?\s*\d+|\d+\s*\+|\d+\s*-\s*\d+", said):
            hint = "; for a range write {min: 2, max: 5}"
        raise BadAmount(f"{quote(said)} is not a whole number{hint}")
    return int(said)


def read_day(text: str) -> str:
    """A key of `DAY_NAMES`. Raises BadAmount."""
    said = text.strip()
    if said in DAY_NAMES:
        return said
    short = said[:3].lower()
    if re.search(r"[-,\u2013 ]\s*[a-z]", said, re.IGNORECASE):
        hint = "; several are a list: [mon, tue]"
    else:
        hint = f" (did you mean '{short}'?)" if short in DAYS else did_you_mean(said, DAY_NAMES)
    raise BadAmount(f"{quote(said)} is not a day{hint}; days are {', '.join(DAY_NAMES)}")


def read_clock(text: str) -> Clock:
    """ "09:00-18:00" as a span of the day. Raises BadAmount."""
    found = _RANGE.fullmatch(text.strip())
    ends = [_minute(part) for part in found.groups()] if found else []
    if len(ends) != 2 or None in ends:
        raise BadAmount(f'{quote(text.strip())} is not a span of the day; write "09:00-18:00"')
    start, end = (minute or 0 for minute in ends)
    if start == end:
        raise BadAmount(f"{quote(text.strip())} is empty: it ends when it starts")
    if start == _MIDNIGHT:
        raise BadAmount(f"{quote(text.strip())} starts at 24:00; write 00:00")
    return Clock(start, end, text.strip())


def _minute(text: str) -> int | None:
    found = _CLOCK.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found else None
    return minute if minute is not None and minute <= _MIDNIGHT else None


def length_text(length: timedelta) -> str:
    """A length of time as an admin would write it: "2d", "1h30m", "-20m"."""
    minutes = round(length / timedelta(minutes=1))
    sign, minutes = ("-", -minutes) if minutes < 0 else ("", minutes)
    days, rest = divmod(minutes, _MIDNIGHT)
    hours, minutes = divmod(rest, 60)
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if n]
    return sign + ("".join(parts) or "0m")
