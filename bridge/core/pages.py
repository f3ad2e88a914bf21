"""Answers of an HTTP service: how long to wait, and a page of a listing, each item with its own text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.core.json_body import canonical, loads

_LONGEST_WAIT: Final = 86_400


def read_page(body: bytes, name: str) -> tuple[dict[str, object], list[tuple[object, str]] | None]:
    """The fields of a JSON object, and the items of its list `name`, each written out by itself.

    Equal items are written equally. The list is None when there is no such field, or it is not a list; it
    is left out of the fields. Raises ValueError when the body is not a JSON object, RecursionError.
    """
    document = loads(body)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    listed = document.pop(name, None)
    if not isinstance(listed, list):
        return document, None
    return document, [(item, canonical(item).decode()) for item in listed]


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


def seconds_asked(*said: object) -> float:
    """How long a service asks to be left alone, by whatever it says that in; 0 when it does not."""
    return max(map(_seconds, said), default=0.0)


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return seconds if 0 < seconds < _LONGEST_WAIT else 0.0  # false for what is no number, too
