"""Copera's bookings in memory: types, members, bookings, and what can happen to a booking.

It knows nothing of HTTP. Every operation changes the state and returns the webhook envelope that
Copera would send. Source: the vendor's bookings guide and its guide on booking webhooks. Ours: the
letters of `uid` and of the ids, and a booking type's `kind` (SOLO, COLLECTIVE, ROUND_ROBIN).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

Ids = Literal["different", "equal"]
"""Whether a webhook's `data.id` is the read API's `uid`; no guide says which."""

STATUSES = ("PENDING", "CONFIRMED", "DECLINED", "CANCELLED", "COMPLETED")


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the workspace."""

    id: str
    name: str
    email: str
    title: str = ""
    active: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the member as the directory lists it."""
        body: dict[str, Any] = {"_id": self.id, "name": self.name, "email": self.email, "type": "user"}
        return (
            body | {"status": "online", "active": self.active} | ({"title": self.title} if self.title else {})
        )


@dataclass(frozen=True, slots=True)
class BookingType:
    """What can be booked, with the hosts it can be booked with. `kind` as in the module's note."""

    id: str
    title: str
    kind: str
    hosts: tuple[str, ...]
    minutes: int = 30
    slug: str = ""
    color: str = ""
    description: str = ""
    hidden: bool = False
    active: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the type as /booking-types lists it."""
        optional = {"slug": self.slug, "color": self.color, "description": self.description}
        return {
            "_id": self.id,
            "title": self.title,
            "kind": self.kind,
            "durationMinutes": self.minutes,
            "hidden": self.hidden,
            "active": self.active,
            "createdAt": "2026-01-05T09:00:00.000Z",
            "updatedAt": "2026-01-05T09:00:00.000Z",
        } | {key: value for key, value in optional.items() if value}


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it is now. `id` is what webhooks call it, `uid` what the read API does."""

    uid: str
    id: str
    status: str
    type: BookingType
    start: datetime
    minutes: int
    hosts: tuple[str, ...]
    booker: Mapping[str, Any]
    guests: tuple[Any, ...] = ()
    answers: tuple[Mapping[str, Any], ...] = ()
    location: Mapping[str, Any] | None = None
    zone: str = "America/Sao_Paulo"

    def _common(self) -> dict[str, Any]:
        roles = ("ORGANIZER", *("ATTENDEE" for _ in self.hosts[1:]))
        return {
            "status": self.status,
            "bookingTypeId": self.type.id,
            "bookingTypeTitle": self.type.title,
            "start": stamp(self.start),
            "end": stamp(self.start + timedelta(minutes=self.minutes)),
            "durationMinutes": self.minutes,
            "timezoneAtBooking": self.zone,
            "hosts": [{"userId": host, "role": role} for host, role in zip(self.hosts, roles, strict=True)],
            "booker": dict(self.booker),
            "guests": list(self.guests),
            "answers": [dict(answer) for answer in self.answers],
            "location": dict(self.location or {"type": "MEETING_CHANNEL"}),
        }

    def as_json(self) -> dict[str, Any]:
        """Return the booking as the read API shows it."""
        return {"uid": self.uid, **self._common()}

    def as_data(self) -> dict[str, Any]:
        """Return the booking as a webhook's `data`."""
        return {"id": self.id, **self._common()}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A webhook to send: `event` is "booking.created" and so on, `body` the exact bytes to sign."""

    event: str
    created_at: datetime
    data: Mapping[str, Any]
    uid: str

    @property
    def payload(self) -> dict[str, Any]:
        """The JSON of the body."""
        return {"event": self.event, "createdAt": stamp(self.created_at), "data": dict(self.data)}

    @property
    def body(self) -> bytes:
        """The bytes that are signed and sent."""
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")).encode()


def stamp(moment: datetime) -> str:
    """Return a time as Copera writes it: `2026-07-06T09:00:00.000Z`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def object_id(seed: str) -> str:
    """Return 24 hexadecimal digits that look like a database's id, always the same for a seed."""
    return "665f" + sha256(seed.encode()).hexdigest()[:20]


class Calendar:
    """The workspace's types, members and bookings. `clock` gives Unix seconds."""

    def __init__(self, *, ids: Ids = "different", clock: Callable[[], float] = time.time) -> None:
        self.ids = ids
        self.clock = clock
        self.members: dict[str, Member] = {}
        self.types: dict[str, BookingType] = {}
        self.bookings: dict[str, Booking] = {}
        self._order: list[str] = []
        self._last_ms = 0

    def now(self) -> datetime:
        """Return the time in whole milliseconds, later than ever before."""
        self._last_ms = max(int(self.clock() * 1000), self._last_ms + 1)
        return datetime.fromtimestamp(self._last_ms / 1000, UTC)

    def add_member(
        self, name: str, email: str, *, member_id: str = "", title: str = "", active: bool = True
    ) -> Member:
        """Add or replace a member; without an id one is made up."""
        member = Member(member_id or object_id(f"member {email}"), name, email, title, active)
        self.members[member.id] = member
        return member

    def add_type(
        self, title: str, kind: str, hosts: Sequence[str], *, type_id: str = "", **rest: Any
    ) -> BookingType:
        """Add or replace a booking type; `rest` are further fields of BookingType."""
        slug = rest.pop("slug", title.lower().replace(" ", "-"))
        made = BookingType(
            type_id or object_id(f"type {title}"), title, kind, tuple(hosts), slug=slug, **rest
        )
        self.types[made.id] = made
        return made

    def type(self, name: str) -> BookingType:
        """Return the booking type with this id, title or slug; KeyError otherwise."""
        for known in self.types.values():
            if name in (known.id, known.title, known.slug):
                return known
        raise KeyError(name)

    def put(self, booking: Booking) -> Booking:
        """Keep a booking as it is, new or changed."""
        if booking.uid not in self.bookings:
            self._order.append(booking.uid)
        self.bookings[booking.uid] = booking
        return booking

    def newest_first(self, before: int | None = None) -> Iterator[tuple[int, Booking]]:
        """Yield bookings by creation, the last first, with their number; those below `before`."""
        for number in range(
            min(len(self._order), before if before is not None else len(self._order)) - 1, -1, -1
        ):
            uid = self._order[number]
            if uid in self.bookings:
                yield number, self.bookings[uid]

    def forget(self, uid: str) -> None:
        """Remove a booking without a trace, as an upstream error would."""
        del self.bookings[uid]

    # What happens to bookings.

    def create(
        self,
        booking_type: str,
        *,
        start: datetime,
        booker: Mapping[str, Any],
        pending: bool = False,
        hosts: Sequence[str] = (),
        uid: str = "",
        at: datetime | None = None,
        **rest: Any,
    ) -> Envelope:
        """Book: booking.created, pending or confirmed.

        hosts: by default all of a collective type, else the first of the type. at: the event's time.
        rest: further fields of Booking (`guests`, `answers`, `location`, `zone`, `minutes`).
        """
        kind = self.type(booking_type)
        seed = f"booking {len(self._order)}"
        uid = uid or f"bk_{sha256(seed.encode()).hexdigest()[:16]}"
        booking = Booking(
            uid=uid,
            id=uid if self.ids == "equal" else object_id(f"{seed} {uid}"),
            status="PENDING" if pending else "CONFIRMED",
            type=kind,
            start=start,
            minutes=rest.pop("minutes", kind.minutes),
            hosts=tuple(hosts) or (kind.hosts if kind.kind == "COLLECTIVE" else kind.hosts[:1]),
            booker=booker,
            **rest,
        )
        return self._event("booking.created", self.put(booking), at)

    def change(self, event: str, uid: str, at: datetime | None = None, **fields: Any) -> Envelope:
        """Change fields of a booking and return the envelope of this event; KeyError when unknown."""
        return self._event(event, self.put(replace(self.bookings[uid], **fields)), at)

    def confirm(self, uid: str, at: datetime | None = None) -> Envelope:
        """The host confirms a pending booking."""
        return self.change("booking.confirmed", uid, at, status="CONFIRMED")

    def cancel(self, uid: str, at: datetime | None = None) -> Envelope:
        """Somebody cancels."""
        return self.change("booking.cancelled", uid, at, status="CANCELLED")

    def decline(self, uid: str, at: datetime | None = None) -> Envelope:
        """The host declines a pending booking."""
        return self.change("booking.declined", uid, at, status="DECLINED")

    def reschedule(self, uid: str, start: datetime, at: datetime | None = None) -> Envelope:
        """The booking moves to a new time."""
        return self.change("booking.rescheduled", uid, at, start=start)

    def reassign(self, uid: str, hosts: Sequence[str], at: datetime | None = None) -> Envelope:
        """The booking gets other hosts."""
        return self.change("booking.reassigned", uid, at, hosts=tuple(hosts))

    def no_show(self, uid: str, at: datetime | None = None) -> Envelope:
        """Somebody did not turn up; whose fault it was is not told, and the status stays."""
        return self.change("booking.no_show", uid, at)

    def _event(self, event: str, booking: Booking, at: datetime | None) -> Envelope:
        return Envelope(event, at or self.now(), booking.as_data(), booking.uid)
