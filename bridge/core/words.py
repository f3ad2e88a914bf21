"""Times, durations, zones, lists and states in plain British English, without a locale."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from bridge.core.bookings import CANCELLED, COMPLETED, CONFIRMED, DECLINED, PASSED_ON, PENDING

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_STATUSES: Final[Mapping[str, str]] = {
    PENDING: "Awaiting confirmation",
    CONFIRMED: "Confirmed",
    DECLINED: "Declined",
    CANCELLED: "Cancelled",
    COMPLETED: "Completed",
    PASSED_ON: "Reassigned",
}
_NOWHERE: Final = frozenset({"localtime", "Factory"})
"""What a machine may have among its zones: where it stands itself, and a place-holder."""
DAY: Final = timedelta(days=1)
TO: Final = "\N{EN DASH}"


@cache
def _zone_names() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones() if name not in _NOWHERE}


def zones() -> Collection[str]:
    """The IANA names of all time zones."""
    return _zone_names().values()


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """The time zone of this IANA name in any case, None when the tz database has none.

    Only names of the database are looked up, so somebody's text can never choose a file.
    """
    known = _zone_names().get(name.casefold())
    return ZoneInfo(known) if known else None


def zone_name(place: tzinfo) -> str:
    """The IANA name: "America/Sao_Paulo"."""
    return getattr(place, "key", None) or str(place)


def day(moment: datetime) -> str:
    """ "Wednesday 8 July 2026"."""
    return f"{_DAYS[moment.weekday()]} {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def clock(moment: datetime) -> str:
    """ "09:05"."""
    return f"{moment.hour:02}:{moment.minute:02}"


def span(start: datetime, end: datetime | None, place: tzinfo) -> str:
    """ "Wednesday 8 July 2026, 12:00-12:30" (with an en dash), in this zone and without its name.

    Where clocks are changed meanwhile, or show a time twice: "01:30 UTC-4-01:30 UTC-5".
    """
    first = start.astimezone(place)
    last = end.astimezone(place) if end is not None and end > start else first
    tell = _told_with_offset if _is_doubtful(first, last) else clock
    said = f"{day(first)}, {tell(first)}"
    if last is first:
        return said
    if first.date() == last.date():
        return f"{said}{TO}{tell(last)}"
    return f"{said} {TO} {day(last)}, {tell(last)}"


def _is_doubtful(first: datetime, last: datetime) -> bool:
    """Whether clock times alone mislead: between these clocks change, or one comes twice that day."""
    twice = any(one.utcoffset() != one.replace(fold=1 - one.fold).utcoffset() for one in (first, last))
    return twice or first.utcoffset() != last.utcoffset()


def _told_with_offset(value: datetime) -> str:
    """ "01:30 UTC-4"."""
    minutes = round((value.utcoffset() or timedelta()) / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "") if minutes else ""
    return f"{clock(value)} UTC{offset}"


def moment(value: datetime, place: tzinfo) -> str:
    """ "Wednesday 8 July 2026, 12:00 (America/Sao_Paulo)"."""
    return f"{span(value, None, place)} ({zone_name(place)})"


def duration(minutes: int | None) -> str:
    """ "30 min", "1 h 30 min", "2 days"; "" when not known or none."""
    if not minutes or minutes < 0:
        return ""
    days, rest = divmod(minutes, 1440)
    hours, rest = divmod(rest, 60)
    parts = ((days, " day" if days == 1 else " days"), (hours, " h"), (rest, " min"))
    return " ".join(f"{number}{unit}" for number, unit in parts if number)


def listing(items: Sequence[str], most: int = 12) -> str:
    """ "Ana", "Ana and Bob", "Ana, Bob and 3 more"."""
    shown = [*items[:most], f"{len(items) - most} more"] if len(items) > most else list(items)
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def status(value: str) -> str:
    """A status in words; one that is not known is shown as text, "" stays ""."""
    return _STATUSES.get(value) or value.replace("_", " ").strip().capitalize()
