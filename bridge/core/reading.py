"""Copera's JSON to the values of `core.bookings`: the one reader, for webhooks and the read API.

Copera may add events, statuses and fields at any time and does not say what guests, locations and
answers hold, so a booking is never refused for its content: what cannot be used is left out, and all
text is cleaned here of characters that could harm a message, a calendar, a log line or a page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from bridge.core.bookings import (
    EVENT_KINDS,
    Answer,
    Booker,
    Booking,
    BookingType,
    Event,
    Guest,
    Host,
    Location,
    Person,
)
from bridge.core.json_body import canonical, decode
from bridge.core.order import event_id
from bridge.core.text import LATEST, instant, line, text

VERSION: Final = "1"
"""The payload contract this reader knows (`X-Copera-Webhook-Version`)."""

_NAMES: Final = {f"booking.{kind}": kind for kind in EVENT_KINDS}
"""What Copera calls its events, as it writes them."""

_DEEPEST: Final = 6


class NotAnEvent(Exception):
    """The body is not JSON, or has no event in it. The message is safe to show to the sender."""


class Unrecognised(Exception):
    """The body is a signed event that this version cannot act on; the message says why."""


class Envelope(NamedTuple):  # which is made in a third of a frozen dataclass's time
    """What the receiver needs of a body: its identity, and why it cannot be acted on ("" if it can).

    `id` is `order.event_id`; `at` is aware UTC, None when `createdAt` is missing or not a time.
    """

    id: str
    event: str
    at: datetime | None
    booking_id: str
    problem: str = ""


def read_envelope(body: bytes, version: str = VERSION) -> Envelope:
    """Read a webhook's raw body. Raises NotAnEvent.

    Equal `event`, `createdAt` and `data` make one event: its id is made of the SHA-256 of these three in a
    canonical form, so a repeat that was serialised anew has the same id.
    """
    return _envelope(_document(body), version)


def _envelope(document: Mapping[str, object], version: str) -> Envelope:
    said, created_at, data = document.get("event"), document.get("createdAt"), document.get("data")
    if not isinstance(said, str) or not said:
        raise NotAnEvent("the JSON has no 'event'")
    name, at = _NAMES.get(said) or short_name(text(said, limit=100)), instant(created_at)
    booking_id = text(data.get("id") or data.get("uid"), limit=200) if isinstance(data, dict) else ""
    try:
        digest = hashlib.sha256(canonical([said, created_at, data])).hexdigest()
    except RecursionError:  # what could just be read may be too deep to be written
        raise NotAnEvent("the JSON is nested too deep") from None
    problem = _problem(said, version, at, data, booking_id)
    return Envelope(event_id(at, digest), name, at, booking_id, problem)


def unreadable(body: bytes, reason: NotAnEvent) -> Envelope:
    """What is kept of a signed body that is no event: it is known again by its very bytes.

    Its id is never an event's, whose canonical form begins otherwise.
    """
    digest = hashlib.sha256(b"unreadable " + body).hexdigest()
    return Envelope(event_id(None, digest), "", None, "", str(reason))


def read_event(body: bytes, version: str = VERSION, source: str = "webhook") -> Event:
    """The event in a stored body. Raises Unrecognised with the reason, NotAnEvent."""
    document = _document(body)
    envelope = _envelope(document, version)
    if envelope.problem or envelope.at is None:
        raise Unrecognised(envelope.problem)
    booking = read_booking(_mapping(document.get("data")))
    return Event(envelope.id, envelope.event, envelope.at, booking, source)


def short_name(event: str) -> str:
    """ "booking.created" and "created" are the same event."""
    return event.strip().lower().removeprefix("booking.")


def _problem(said: str, version: str, at: datetime | None, data: object, booking_id: str) -> str:
    if version != VERSION and version.strip() != VERSION:
        return f"webhook version {text(version, limit=20)!r} is not known, only {VERSION!r}"
    if said not in _NAMES and short_name(said) not in EVENT_KINDS:
        return f"event {text(said, limit=100)!r} is not known"
    if at is None:
        return "createdAt: expected a time such as 2026-07-06T09:00:00.000Z"
    if not isinstance(data, dict):
        return f"data: expected an object, got {_kind(data)}"
    return "" if booking_id else "data.id: expected text, got nothing"


def _document(body: bytes) -> Mapping[str, object]:
    try:
        document = decode(body)
    except (ValueError, RecursionError):
        raise NotAnEvent("the body is not JSON") from None
    if not isinstance(document, dict):
        raise NotAnEvent(f"expected a JSON object, got {_kind(document)}")
    return document


def read_booking(data: Mapping[str, object]) -> Booking:
    """A booking from a webhook's `data` or the API's answer. Never raises."""
    start, end = instant(data.get("start")), instant(data.get("end"))
    duration = _minutes(data.get("durationMinutes"))
    if duration is None and start and end and end > start:
        duration = round((end - start) / timedelta(minutes=1))
    if end is None and start and duration is not None:
        end = min(start + timedelta(minutes=duration), LATEST)
    uid = text(data.get("uid"), limit=200)
    return Booking(
        id=text(data.get("id"), limit=200) or uid,
        uid=uid,
        status=text(data.get("status"), limit=100).strip().upper(),
        type_id=text(data.get("bookingTypeId"), limit=200),
        type_title=line(data.get("bookingTypeTitle")),
        start=start,
        end=end,
        duration=duration,
        timezone=line(data.get("timezoneAtBooking"), limit=100),
        hosts=tuple(_hosts(data.get("hosts"))),
        booker=_booker(data.get("booker")),
        guests=tuple(_guests(data.get("guests"))),
        answers=tuple(_answers(data.get("answers"))),
        location=_location(data.get("location")),
    )


def write_booking(booking: Booking) -> dict[str, object]:
    """The booking in Copera's form, such that `read_booking` gives an equal value."""
    return {
        "id": booking.id,
        "uid": booking.uid,
        "status": booking.status,
        "bookingTypeId": booking.type_id,
        "bookingTypeTitle": booking.type_title,
        "start": booking.start.isoformat() if booking.start else None,
        "end": booking.end.isoformat() if booking.end else None,
        "durationMinutes": booking.duration,
        "timezoneAtBooking": booking.timezone,
        "hosts": [{"userId": host.id, "role": host.role} for host in booking.hosts],
        "booker": {name: getattr(booking.booker, name) for name in Booker.__slots__},
        "guests": [{"name": guest.name, "email": guest.email} for guest in booking.guests],
        "answers": [
            {"questionId": answer.id, "label": answer.label, "value": list(answer.values)}
            for answer in booking.answers
        ],
        "location": {"type": booking.location.type, **dict(booking.location.details)},
    }


def read_type(data: Mapping[str, object]) -> BookingType:
    """A booking type from the API's answer. Never raises."""
    return BookingType(
        id=text(data.get("_id") or data.get("id"), limit=200),
        title=line(data.get("title")),
        slug=line(data.get("slug"), limit=200),
        description=text(data.get("description")),
        kind=line(data.get("kind"), limit=100),
        duration=_minutes(data.get("durationMinutes")),
        color=line(data.get("color"), limit=50),
        hidden=data.get("hidden") is True,
        active=data.get("active") is not False,
    )


def read_member(data: Mapping[str, object]) -> Person:
    """A member of the workspace directory from the API's answer. Never raises."""
    identity = text(data.get("_id") or data.get("id"), limit=200)
    return Person(identity, line(data.get("name"), limit=300), line(data.get("email"), limit=320))


def _minutes(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value) if 0 <= value <= 525_600 else None


def _hosts(value: object) -> Iterator[Host]:
    seen: set[str] = set()
    for item in _list(value):
        found = _mapping(item)
        identity = line(found.get("userId") or found.get("id") or found.get("_id"), limit=200)
        host = Host(identity or line(item, limit=200), line(found.get("role"), limit=100))
        if host.id and host.id not in seen:
            seen.add(host.id)
            yield host


def _booker(value: object) -> Booker:
    found = _mapping(value)
    return Booker(
        name=line(found.get("name")) or line(value),
        email=line(found.get("email"), limit=320),
        phone=line(found.get("phone"), limit=100),
        timezone=line(found.get("timezone"), limit=100),
        locale=line(found.get("locale"), limit=100),
    )


def _guests(value: object) -> Iterator[Guest]:
    for item in _list(value):
        found = _mapping(item)
        said = line(item)
        name, email = line(found.get("name")), line(found.get("email"), limit=320)
        if said:
            name, email = ("", said) if "@" in said and " " not in said else (said, "")
        if name or email:
            yield Guest(name, email)


def _answers(value: object) -> Iterator[Answer]:
    for item in _list(value):
        found = _mapping(item)
        label = line(found.get("label"))
        identity = line(found.get("questionId") or found.get("id"), limit=200)
        if label or identity:
            yield Answer(identity, label or identity, tuple(_values(found.get("value"))))


def _values(value: object, depth: int = 0) -> Iterator[str]:
    """The texts in an answer of any shape; an object gives its label, else "key: value" pairs."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value:
            yield from _values(item, depth + 1)
    elif isinstance(value, dict):
        named = next((value[key] for key in ("label", "value", "name", "text") if value.get(key)), None)
        if named is not None:
            yield from _values(named, depth + 1)
        else:
            for key, item in value.items():
                yield from (f"{line(key)}: {said}" for said in _values(item, depth + 1))
    elif said := text(value):
        yield said


def _location(value: object) -> Location:
    found = _mapping(value)
    if not found:
        return Location(line(value))
    details: dict[str, str] = {}
    for key, item in found.items():
        name, said = line(key, limit=100), line(", ".join(_values(item)))
        if name and said and name != "type":
            details[name] = said
    return Location(line(found.get("type"), limit=100), tuple(details.items()))


def _list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
