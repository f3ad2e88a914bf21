"""Ids and places that sort: events by their time, a booking's events as they take effect."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

DIGEST: Final = 52
"""Characters of an event's id that are its digest: the last. In ids of before migration 0003, the first."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def event_id(at: datetime | None, digest: str) -> str:
    """64 hex digits: 12 of the time in milliseconds, as in a UUIDv7 (RFC 9562, section 5.7), 52 of a digest.

    So what comes in together lies together in a database's index, and a commit writes a few of its pages,
    not one for each event. Without a time there are zeros.
    """
    return f"{(at - _EPOCH) // _MILLISECOND if at else 0:012x}{digest[:DIGEST]}"


def position(at: datetime, name: str, seq: int) -> str:
    """By Copera's `createdAt`; ties: created first, then as received (`seq`).

    Texts of equal length, so that databases compare them as Python does.
    """
    rank = 0 if name == "created" else 1
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{rank}-{seq:012d}"


def delivery_id(event_id: str, destination: str) -> str:
    """16 hex digits, the same whenever this event goes to this destination."""
    return hashlib.sha256(f"{event_id}\n{destination}".encode()).hexdigest()[:16]
