"""Content lines of RFC 5545: TEXT escaping (§3.3.11) and folding (§3.1).

icalendar does both, but folds character by character (30 times slower, and most of a build), and its
vText turns a backslash followed by N into a line break: a place such as "C:\\New" would be torn.
The tests hold these bytes against icalendar's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from bridge.core.text import clean

_WIDTH: Final = 74
"""Octets of a piece; with the space in front of a continued line that makes the allowed 75."""


def text(value: str) -> str:
    """A TEXT value: cleaned of control characters, escaped."""
    said = clean(value).replace("\\", "\\\\").replace(";", "\\;")
    return said.replace(",", "\\,").replace("\n", "\\n")


def texts(values: Iterable[str]) -> str:
    """A list of TEXT values."""
    return ",".join(map(text, values))


def moment(value: datetime) -> str:
    """A DATE-TIME in UTC (form 2 of §3.3.5) of an aware UTC time; fractions of a second are dropped."""
    return f"{value.year:04}{value.month:02}{value.day:02}T{value.hour:02}{value.minute:02}{value.second:02}Z"


def line(name: str, value: str) -> bytes:
    """One content line with its CRLF, folded at 75 octets, never within a character or an escape."""
    whole = f"{name}:{value}"
    octets = whole.encode()
    if len(octets) <= _WIDTH:
        return octets + b"\r\n"
    pieces = []
    start, total = 0, len(octets)
    while total - start > _WIDTH:
        end = start + _WIDTH
        while octets[end] & 0xC0 == 0x80:  # the rest of a UTF-8 character
            end -= 1
        if _escapes(octets, start, end):
            end -= 1
        pieces.append(octets[start:end])
        start = end
    pieces.append(octets[start:])
    return b"\r\n ".join(pieces) + b"\r\n"


def _escapes(octets: bytes, start: int, end: int) -> bool:
    """Whether the octet before `end` is a backslash that escapes the one at `end`."""
    first = end
    while first > start and octets[first - 1] == 0x5C:
        first -= 1
    return (end - first) % 2 == 1
