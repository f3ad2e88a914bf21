"""Answers of an HTTP service: how long to wait, and a page of a listing, each item as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import msgspec

from bridge.core.json_body import loads

_LONGEST_WAIT: Final = 86_400
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read_page(body: bytes, name: str) -> tuple[dict[str, object], list[bytes] | None]:
    """The fields of a JSON object, and the items of its list `name`, each as it was written there.

    The list is None when there is no such field, or it is not a list; it is left out of the fields. Raises
    ValueError when the body is not a JSON object in UTF-8, RecursionError.
    """
    body.decode()  # what is only cut out is not looked at
    try:
        cut = _FIELDS.decode(body)
        listed = bytes(cut.pop(name, b""))
        items = [bytes(item) for item in _ITEMS.decode(listed)] if listed.startswith(b"[") else None
        return {key: loads(bytes(value)) for key, value in cut.items()}, items
    except msgspec.DecodeError:  # half a surrogate pair, for one
        return _whole(body, name)


def _whole(body: bytes, name: str) -> tuple[dict[str, object], list[bytes] | None]:
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    listed = document.pop(name, None)
    return document, [json.dumps(item).encode() for item in listed] if isinstance(listed, list) else None


def next_cursor(answer: Mapping[str, object], *, empty: bool) -> str | None:
    """Where the page after an answer begins, None at the end. Raises ValueError where that makes no sense."""
    cursor, more = answer.get("nextCursor"), answer.get("hasMore")
    if more is False or (more is None and not cursor):
        return None
    if not isinstance(cursor, str) or not cursor:
        raise ValueError("and not where")
    if empty:
        raise ValueError("after an empty page")
    return cursor


def only_list(answer: object) -> list[object] | None:
    """The list in an answer of which no guide names the key; None when there is none."""
    values = answer.values() if isinstance(answer, dict) else ()
    return next((value for value in values if isinstance(value, list)), None)


def seconds_asked(*said: object) -> float:
    """How long a service asks to be left alone, by whatever it says that in; 0 when it does not."""
    return max(map(_seconds, said), default=0.0)


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return seconds if 0 < seconds < _LONGEST_WAIT else 0.0  # false for what is no number, too
