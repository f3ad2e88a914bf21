"""Bookings as calendars want them: one entry to the bytes of its VEVENT, and what goes around them.

A feed is a published snapshot (RFC 5545 §3.7.2 without METHOD): it has no ORGANIZER and no ATTENDEE.
Equal input gives equal bytes. A VEVENT is put together from content lines rather than by icalendar's
Event, which takes ten times as long; the tests hold it against icalendar, property by property.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from icalendar import Alarm, Calendar, Timezone, TimezoneStandard, vDuration, vText

from bridge.core import words
from bridge.core.bookings import COMPLETED, CONFIRMED, PENDING, Booking, BookingType, Directory, Location
from bridge.core.feeds.colours import css_name
from bridge.core.feeds.content_lines import line, moment, text, texts
from bridge.core.feeds.entries import Entry, is_off
from bridge.core.feeds.tokens import DETAILS, Detail, Options
from bridge.core.messages.markup import web_address
from bridge.core.text import clean

TAIL: Final = b"END:VCALENDAR\r\n"
RENDERING: Final = "2"
"""What `vevent` makes of a booking: to be changed whenever it makes something else of the same one."""
REFRESH: Final = timedelta(hours=1)
"""What we ask clients to wait at least; few heed it (RFC 7986 §5.7)."""

_NAMESPACE: Final = UUID("6f0d3a52-9a5c-4f7e-8d1b-2c7e51f0a9d4")
_ANSWER: Final = 2_000
_DESCRIPTION: Final = 12_000
_ORDER: Final = (
    *("SUMMARY", "DTSTART", "DTEND", "DTSTAMP", "UID", "SEQUENCE", "CATEGORIES", "COLOR"),
    *("CONFERENCE;FEATURE=VIDEO;LABEL=Join;VALUE=URI", "CREATED", "DESCRIPTION", "LAST-MODIFIED"),
    *("LOCATION", "STATUS", "TRANSP", "URL", "X-MICROSOFT-CDO-BUSYSTATUS"),
)
"""icalendar's order of properties, so that reading and writing again gives the same bytes."""

_VIDEO: Final = _ORDER[8]
_STATUS: Final = {PENDING: "TENTATIVE", CONFIRMED: "CONFIRMED", COMPLETED: "CONFIRMED"}


@dataclass(frozen=True, slots=True)
class View:
    """How a feed shows bookings: with which options, and whether `team` (more than one host's) or not."""

    options: Options = field(default_factory=Options)
    team: bool = False
    people: Directory = field(default_factory=Directory)
    types: Mapping[str, BookingType] = field(default_factory=dict)

    def colour(self, type_id: str) -> str:
        """The CSS name of a booking type's colour, or ""."""
        kind = self.types.get(type_id)
        return css_name(kind.color) if kind else ""


class _Text(vText):
    """TEXT as it is written, where vText would make a line break of a backslash followed by N."""

    def to_ical(self) -> bytes:
        return text(self).encode()


def uid(booking: str) -> str:
    """A UID for a booking: stable for life, telling nobody anything (RFC 7986 §5.3)."""
    return str(uuid5(_NAMESPACE, booking))


def head(name: str, colour: str = "") -> bytes:
    """The start of a feed: its name, and a booking type's colour.

    It has no UID (RFC 7986 §5.3), which vdirsyncer takes for that of every event, and keeps one of them.
    """
    called = _Text(_cut(_one_line(name), 200))
    calendar = Calendar.new(
        prodid="-//booking-bridge//Feeds//EN",
        name=called,
        color=css_name(colour) or None,
        refresh_interval=REFRESH,
    )
    del calendar["UID"]
    calendar["REFRESH-INTERVAL"].params["VALUE"] = "DURATION"  # icalendar 7.3 leaves it out
    for name_property in ("NAME", "X-WR-CALNAME"):
        calendar[name_property] = called
    calendar.add("X-PUBLISHED-TTL", vDuration(REFRESH))
    return bytes(calendar.to_ical()).removesuffix(TAIL)


def nothing() -> bytes:
    """What stands in a calendar without events, since the grammar wants a component (§3.6)."""
    zone, standard = Timezone(), TimezoneStandard()
    zone.add("TZID", "Etc/UTC")
    standard.add("DTSTART", datetime(1970, 1, 1))  # noqa: DTZ001 - local time, as §3.6.5 wants it
    standard.add("TZOFFSETFROM", timedelta())
    standard.add("TZOFFSETTO", timedelta())
    zone.add_component(standard)
    return bytes(zone.to_ical())


def vevent(entry: Entry, view: View) -> bytes:
    """The VEVENT of an entry; b"" when it has no start, since a calendar has no place for it."""
    shown = _content(entry.booking, view)
    if not shown:
        return b""
    mark = entry.mark(view.options.detail)
    shown |= {
        "UID": uid(entry.uid),
        "SEQUENCE": str(mark.sequence),
        "DTSTAMP": moment(mark.at),
        "LAST-MODIFIED": moment(mark.at),
        "CREATED": moment(min(entry.first_seen, mark.at)),
    }
    lines = b"".join(line(name, shown[name]) for name in _ORDER if name in shown)
    alarm = _alarm(summary(entry.booking, view), view.options.alarm) if view.options.alarm else b""
    return b"BEGIN:VEVENT\r\n" + lines + (b"" if is_off(entry.booking) else alarm) + b"END:VEVENT\r\n"


def changed(old: Booking, new: Booking, before: View, after: View) -> tuple[Detail, ...]:
    """The levels of detail at which `new`, seen by `after`, is shown differently than `old` by `before`.

    Of the views the names, the colours and the audience count, not which detail they are for.
    """
    if old == new and named(old, before) == named(new, after):
        return ()
    return tuple(
        detail
        for detail in DETAILS
        if _differ(old, new, _in_detail(before, detail), _in_detail(after, detail))
    )


def named(booking: Booking, view: View) -> tuple[str, str]:
    """All that an event takes from the names of hosts and from booking types: the hosts and the colour."""
    return _hosts(booking, view), view.colour(booking.type_id)


def _in_detail(view: View, detail: Detail) -> View:
    return View(Options(detail), view.team, view.people, view.types)


def _differ(old: Booking, new: Booking, before: View, after: View) -> bool:
    """Most changes are seen in the title already, which is made quickly."""
    if summary(old, before) != summary(new, after) and old.start and new.start:
        return True
    return _content(old, before) != _content(new, after)


def _content(booking: Booking, view: View) -> dict[str, str]:
    """The properties that say something about the booking, escaped; {} when it has no start."""
    if booking.start is None:
        return {}
    off = is_off(booking)
    free = "TENTATIVE" if booking.status == PENDING else "BUSY"
    shown = {
        "SUMMARY": text(summary(booking, view)),
        "DTSTART": moment(booking.start),
        "STATUS": "CANCELLED" if off else _STATUS.get(booking.status, ""),
        "TRANSP": "TRANSPARENT" if off else "OPAQUE",
        "X-MICROSOFT-CDO-BUSYSTATUS": "FREE" if off else free,
    }
    if (end := finish(booking)) is not None:
        shown["DTEND"] = moment(end)
    if view.options.detail != "busy":
        shown["CATEGORIES"] = texts(filter(None, [_cut(booking.type_title, 200)]))
        shown["COLOR"] = view.colour(booking.type_id)
    if view.options.detail == "full":
        place, url = booking.location.text, web_address(clean(booking.location.url))
        shown["DESCRIPTION"] = text(_cut(_description(booking, view, place, url), _DESCRIPTION))
        shown["LOCATION"] = text(_cut(", ".join(filter(None, [place, url])), 1_000))
        shown["URL"] = url
        shown[_VIDEO] = "" if _in_person(booking.location) else url
    return {name: value for name, value in shown.items() if value}


def finish(booking: Booking) -> datetime | None:
    """When the booking ends, by its end or its length; None when it has no length that makes sense.

    Without DTEND an event ends when it starts (§3.6.1): the only way to write no length.
    """
    start, end = booking.start, booking.end
    if start is None:
        return None
    least = start.replace(microsecond=0) + timedelta(seconds=1)
    if end is not None and end >= least:
        return end
    return start + timedelta(minutes=booking.duration) if booking.duration else None


def summary(booking: Booking, view: View) -> str:
    """The title: "Intro Call with Alice", "Intro Call (Ana Lima)", "Busy"; says when it is cancelled."""
    off = is_off(booking)
    if view.options.detail == "busy":
        return "Cancelled" if off else "Busy"
    said = _one_line(booking.type_title) or "Booking"
    booker = _one_line(booking.booker.name or booking.booker.email)
    if view.options.detail == "full" and booker:
        said += f" with {booker}"
    if view.team and booking.hosts:
        said += f" ({_one_line(_hosts(booking, view))})"
    return _cut(f"{words.status(booking.status)}: {said}" if off else said, 400)


def _description(booking: Booking, view: View, place: str, url: str) -> str:
    """Everything known about the booking, in lines: who, how to reach them, when, where, the answers."""
    return "\n\n".join(
        "\n".join(part)
        for part in (
            list(filter(None, _booker(booking))),
            list(filter(None, _facts(booking, view, place, url))),
            list(filter(None, _answers(booking))),
        )
        if part
    )


def _booker(booking: Booking) -> Iterator[str]:
    yield booking.booker.name
    yield booking.booker.email
    yield booking.booker.phone


def _facts(booking: Booking, view: View, place: str, url: str) -> Iterator[str]:
    if booking.status != CONFIRMED:
        yield f"Status: {words.status(booking.status)}" if booking.status else ""
    zone = words.zone(booking.timezone) or words.zone(booking.booker.timezone)
    if booking.start is not None and zone is not None:
        said = words.span(booking.start, finish(booking), zone)
        yield f"Their time: {said} ({words.zone_name(zone)})"
    hosts = _hosts(booking, view)
    yield f"Hosts: {hosts}" if hosts else ""
    guests = [_guest(guest.name, guest.email) for guest in booking.guests]
    yield f"Guests: {words.listing(guests, 50)}" if guests else ""
    yield f"Where: {place}" if place else ""
    yield f"Join: {url}" if url else ""


def _answers(booking: Booking) -> Iterator[str]:
    for answer in booking.answers:
        said = answer.text
        yield f"{_cut(answer.label, 200)}: {_cut(said, _ANSWER)}" if said else ""


def _guest(name: str, email: str) -> str:
    return _cut(f"{name} <{email}>" if name and email else name or email, 400)


def _hosts(booking: Booking, view: View) -> str:
    """Who hosts, in words; "" where that goes without saying, in the feed of the only host."""
    if not view.team and len(booking.hosts) < 2:
        return ""
    return words.listing([view.people.name(host) for host in booking.host_ids], 5)


def _in_person(location: Location) -> bool:
    """Whether an address on the web is only a map or a note: nobody joins a room through it."""
    kind = location.type.upper().replace("-", "_").replace(" ", "_")
    return any(word in kind for word in ("PERSON", "ADDRESS", "PHYSICAL", "OFFICE", "ON_SITE", "VENUE"))


def _one_line(value: str) -> str:
    return " ".join(clean(value).split())


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 2].rstrip() + " …"


def _alarm(title: str, minutes: int) -> bytes:
    """A VALARM that shows the title so many minutes before the start (§3.6.6)."""
    alarm = Alarm()
    alarm.add("ACTION", "DISPLAY")
    alarm["DESCRIPTION"] = _Text(title)
    alarm.add("TRIGGER", timedelta(minutes=-minutes))
    return bytes(alarm.to_ical())
