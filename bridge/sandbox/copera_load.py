"""Bookings by the thousand, plausible and always the same for a seed: for tests of pages and speed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from bridge.sandbox.copera_calendar import Booking, BookingType, Calendar, object_id

_FIRST = (
    "Alice",
    "Bruno",
    "Chidi",
    "Dalia",
    "Eva",
    "Farid",
    "Grace",
    "Hiro",
    "Inês",
    "Jonas",
    "Kira",
    "Luca",
)
_LAST = (
    "Almeida",
    "Brandt",
    "Costa",
    "Dvořák",
    "Eze",
    "Fischer",
    "García",
    "Hughes",
    "Ito",
    "Jansen",
    "Kaya",
)
_ZONES = ("America/Sao_Paulo", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Africa/Lagos")
_STATUSES = ("CONFIRMED",) * 6 + ("PENDING", "CANCELLED", "DECLINED")
_TOPICS = (
    "Pricing",
    "Migration",
    "A demo for the team",
    "Invoices & taxes",
    "Single sign-on",
    "Something <else>",
)


def populate(calendar: Calendar, hosts: int = 5) -> None:
    """Add hosts and one booking type of each kind, for a calendar that has none."""
    added = [
        calendar.add_member(f"{_FIRST[n % 12]} {_LAST[n % 11]} {n}", f"host{n}@example.com").id
        for n in range(hosts)
    ]
    calendar.add_type("Intro Call", "SOLO", added[:1], color="#4F46E5")
    calendar.add_type("Panel interview", "COLLECTIVE", added[:3], minutes=60)
    calendar.add_type("Support session", "ROUND_ROBIN", added, minutes=45)


def load(calendar: Calendar, count: int, *, around: datetime, seed: int = 1, days: int = 60) -> list[str]:
    """Add so many bookings, starting up to `days` before or after `around`; return their uids.

    A past booking that was confirmed is COMPLETED. No webhooks are made.
    """
    if not calendar.types:
        populate(calendar)
    draw = random.Random(seed)  # noqa: S311 - plausible data, not secrets
    types = list(calendar.types.values())
    first = len(calendar.bookings)
    numbers = range(first, first + count)
    return [calendar.put(_booking(calendar, draw, types, around, days, n)).uid for n in numbers]


def _booking(
    calendar: Calendar, draw: random.Random, types: Sequence[BookingType], around: datetime, days: int, n: int
) -> Booking:
    name = blake2b(f"{draw.random()} {n}".encode(), digest_size=10).hexdigest()
    uid = f"bk_{name}"
    kind = draw.choice(types)
    start = around.replace(minute=0, second=0, microsecond=0) + timedelta(
        minutes=15 * draw.randint(-days * 96, days * 96)
    )
    status = draw.choice(_STATUSES)
    if start < around and status == "CONFIRMED":
        status = "COMPLETED"
    return Booking(
        uid=uid,
        id=uid if calendar.ids == "equal" else object_id(uid),
        status=status,
        type=kind,
        start=start,
        minutes=kind.minutes,
        hosts=kind.hosts if kind.kind == "COLLECTIVE" or not kind.hosts else (draw.choice(kind.hosts),),
        booker=_booker(draw, n),
        answers=({"questionId": "q1", "label": "Topic", "value": draw.choice(_TOPICS)},),
        zone=draw.choice(_ZONES),
    )


def _booker(draw: random.Random, n: int) -> dict[str, Any]:
    first, last = draw.choice(_FIRST), draw.choice(_LAST)
    person = {"name": f"{first} {last}", "email": f"booker{n}@example.com", "locale": "en"}
    return person | {"timezone": draw.choice(_ZONES), "phone": f"+1555{draw.randint(0, 9_999_999):07d}"}
