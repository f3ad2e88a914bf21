"""Answers of an HTTP service: how long to wait, and a page of a listing, each item with its own text.

`json.loads` gives values alone. To tell whether a booking's answer is the one known already its text
is compared by digest, and writing it out again would cost as much as reading it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

_DECODER: Final = json.JSONDecoder()
_LONGEST_WAIT: Final = 86_400
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def read_page(text: str, name: str) -> tuple[dict[str, object], list[tuple[object, str]] | None]:
    """The fields of a JSON object, and the items of its list `name` with their texts.

    The list is None when there is no such field, or it is not a list; it is left out of the fields.
    Raises ValueError when the text is not a JSON object.
    """
    fields: dict[str, object] = {}
    items: list[tuple[object, str]] | None = None
    reader = _Reader(text)
    for key in reader.names():
        if key == name:
            items = list(reader.items()) if reader.sees("[") else None
            if items is None:
                reader.value()
        else:
            fields[key] = reader.value()
    reader.end()
    return fields, items


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


class _Reader:
    """Walks through a JSON text; `at` is never on white space."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._skip()

    def sees(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def value(self) -> object:
        """The value here; goes on behind it."""
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        self._skip()
        return value

    def names(self) -> Iterator[str]:
        """The keys of the object here; each value must be read before the next key is asked for."""
        self._take("{")
        while not self.sees("}"):
            key = self.value()
            if not isinstance(key, str):
                raise ValueError("a key is not text")
            self._take(":")
            yield key
            if not self.sees("}"):
                self._take(",")
                if self.sees("}"):
                    raise ValueError("nothing after a comma")
        self._take("}")

    def items(self) -> Iterator[tuple[object, str]]:
        """The items of the list here, with their texts."""
        self._take("[")
        while not self.sees("]"):
            first = self._at
            value, self._at = _DECODER.raw_decode(self._text, first)
            yield value, self._text[first : self._at]
            self._skip()
            if not self.sees("]"):
                self._take(",")
                if self.sees("]"):
                    raise ValueError("nothing after a comma")
        self._take("]")

    def end(self) -> None:
        if self._at != len(self._text):
            raise ValueError("something after the end")

    def _take(self, sign: str) -> None:
        if not self.sees(sign):
            raise ValueError(f"expected {sign}")
        self._at += 1
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
