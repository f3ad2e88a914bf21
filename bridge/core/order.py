"""The order in which a booking's events take effect, as one text that sorts."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime


def position(at: datetime, name: str, seq: int) -> str:
    """By Copera's `createdAt`; ties: created first, then as received (`seq`).

    Texts of equal length, so that databases compare them as Python does.
    """
    rank = 0 if name == "created" else 1
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{rank}-{seq:012d}"


def delivery_id(event_id: str, destination: str) -> str:
    """16 hex digits, the same whenever this event goes to this destination."""
    return hashlib.sha256(f"{event_id}\n{destination}".encode()).hexdigest()[:16]
