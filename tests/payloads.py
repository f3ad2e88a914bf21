"""Webhook bodies as Copera's guide shows them, to be varied."""

from __future__ import annotations

import json
from typing import Any

DATA: dict[str, Any] = {
    "id": "665f1",
    "status": "CONFIRMED",
    "bookingTypeId": "type1",
    "bookingTypeTitle": "Intro Call",
    "start": "2026-07-08T15:00:00.000Z",
    "end": "2026-07-08T15:30:00.000Z",
    "durationMinutes": 30,
    "timezoneAtBooking": "America/Sao_Paulo",
    "hosts": [{"userId": "host1", "role": "ORGANIZER"}],
    "booker": {
        "name": "Alice Booker",
        "email": "alice@example.com",
        "phone": "+15551234567",
        "timezone": "America/Sao_Paulo",
        "locale": "en",
    },
    "guests": [],
    "answers": [{"questionId": "q1", "label": "Topic", "value": "Pricing"}],
    "location": {"type": "MEETING_CHANNEL"},
}


def document(
    event: str = "booking.confirmed", at: str = "2026-07-06T09:00:00.000Z", **data: Any
) -> dict[str, Any]:
    """An event's document; keyword arguments replace fields of its data."""
    return {"event": event, "createdAt": at, "data": {**DATA, **data}}


def body(**changes: Any) -> bytes:
    """The body of a confirmed event with top-level fields replaced."""
    return json.dumps({**document(), **changes}, ensure_ascii=False).encode()
