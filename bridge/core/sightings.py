"""What the read API told of bookings, each as it was written; only what differs from the known is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from bridge.core.bookings import Booking
from bridge.core.json_body import as_json, fields, loads
from bridge.core.pages import read_page
from bridge.core.reading import read_booking
from bridge.core.text import text


class _Named(msgspec.Struct):
    """What of a booking's JSON is read at once: the rest is, when its digest is another one."""

    uid: object = None


_NAMED: Final = msgspec.json.Decoder(_Named)
_READER: Final = b"1"
"""Part of every digest: raise it when reading changes, and every booking is read anew."""


class Sighting(NamedTuple):
    """A booking as the read API told it: the JSON of the answer, and its digest.

    `read_at` is when it was asked for: what is older than what is known already says nothing.
    """

    uid: str
    digest: str
    document: bytes
    read_at: datetime


def sighting(document: bytes, read_at: datetime) -> Sighting | None:
    """What the read API told of a booking in this JSON; None when it is not a JSON object.

    Equal digests say the same. The same in another form has another digest, which costs a closer look.
    Raises ValueError, RecursionError for what cannot be read at all.
    """
    digest = blake2b(document, digest_size=16, key=_READER).hexdigest()
    try:
        uid = _NAMED.decode(document).uid
    except msgspec.ValidationError:
        return None
    except msgspec.DecodeError:  # half a surrogate pair, for one
        found = loads(document)
        uid = found.get("uid") if isinstance(found, dict) else None
    return Sighting(text(uid, limit=200), digest, document, read_at)


def seen(told: Sighting) -> Booking:
    """The booking that the read API told of, without what of it cannot be read. Never raises."""
    try:
        document = loads(told.document)
    except (ValueError, RecursionError):  # a number of thousands of digits, or nested too deep
        document = fields(told.document)
    return read_booking(document if isinstance(document, dict) else {"uid": told.uid})


def listed(body: bytes, read_at: datetime) -> tuple[Mapping[str, object], tuple[Sighting, ...] | None]:
    """A page of a list of bookings: its other fields, and what it tells; None where it holds no list.

    Raises ValueError, RecursionError for what is not JSON.
    """
    answer, items = read_page(body, "bookings")
    if items is None:
        return answer, None
    return answer, tuple(told for item in items if (told := sighting(item, read_at)))


def alone(body: bytes, read_at: datetime) -> Sighting | None:
    """What an answer about one booking tells; None when it names none. Raises ValueError, RecursionError."""
    answer = json.loads(body)
    inner = answer.get("booking") if isinstance(answer, dict) else None
    told = sighting(as_json(inner if isinstance(inner, dict) and inner else answer).encode(), read_at)
    return told if told and told.uid else None
