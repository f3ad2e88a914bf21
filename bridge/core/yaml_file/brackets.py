"""Quotes, brackets and braces of a rules file that are never closed, told where they open."""

from __future__ import annotations

import re
from typing import Final

from bridge.core.suggestions import quote
from bridge.core.yaml_file.refusal import Refusal, Slip

_OPENING_QUOTE: Final = re.compile(r"(?:[:\-]\s+|[\[{,]\s*)([\"'])")
_QUOTED: Final = {'"': re.compile(r'"(?:[^"\\]|\\.)*"'), "'": re.compile(r"'(?:[^']|'')*'")}
_LONGEST_TYPED: Final = 5_000
_NEAR: Final = 2
"""Lines after the end of a text that took in other lines, within which that is why YAML gives up."""


def open_quote(refusal: Refusal) -> Slip | None:
    """A quote that is never closed; the first line with an odd number of quotes is the one."""
    if refusal.swallowed and refusal.line - refusal.swallowed[2] <= _NEAR:
        return _never_closed(refusal, refusal.swallowed[0], refusal.swallowed[1])
    scanning = "quoted scalar" in refusal.context
    if not scanning and "did not find" not in refusal.problem and "not allowed" not in refusal.problem:
        return None
    top = 0 if scanning else max(0, refusal.line - 3)
    for number in range(top, min(refusal.line + 1, len(refusal.lines))):
        column = None if refusal.lines[number].lstrip().startswith("#") else _odd_quote(refusal.lines[number])
        if column is not None:
            return _never_closed(refusal, number, column)
    return _never_closed(refusal, refusal.since, refusal.since_column) if scanning else None


def _never_closed(refusal: Refusal, line: int, column: int) -> Slip:
    message = f"the quote {refusal.lines[line][column : column + 1]} is never closed in this line"
    return Slip(line + 1, column + 1, message, refusal.unreadable(line, column))


def _odd_quote(text: str) -> int | None:
    """Where a value's opening quote stands that its line does not close.

    Only as much of a line is looked at as somebody might have typed.
    """
    found = _OPENING_QUOTE.search(text, 0, _LONGEST_TYPED)
    while found:
        closed = _QUOTED[found[1]].match(text, found.start(1))
        if not closed:
            return found.start(1)
        found = _OPENING_QUOTE.search(text, closed.end(), _LONGEST_TYPED)
    return None


def open_bracket(refusal: Refusal) -> Slip | None:
    """A bracket or brace that is never closed, or something in it that cannot stand there."""
    if not refusal.opened:
        return None
    line, column = refusal.opened[-1]
    mark = refusal.lines[line][column : column + 1]
    rest = refusal.text[refusal.column :].strip()
    if refusal.line == line and rest and not rest.startswith("#"):
        end = quote("]" if mark == "[" else "}")
        message = _misplaced(refusal.text[: refusal.column].rstrip(), rest, end)
        line, column = refusal.line, refusal.column
    else:
        message = f"{quote(mark)} is never closed"
    return Slip(line + 1, column + 1, message, _closed(refusal))


def _misplaced(before: str, rest: str, end: str) -> str:
    """What is wrong with the rest of a line within brackets or braces."""
    if rest.startswith(":") and before.endswith(":"):
        word = re.split(r"[,\]}]|\s#", rest)[0].strip()
        return f"a value that starts with ':' must be quoted: \"{word}\""
    if re.match(r":[\]},]", rest):
        return f"there is no value after {quote(before.split()[-1].lstrip('[{') + ':')}"
    if rest.startswith(":"):
        return "':' cannot stand here; put ',' between two pairs, and quote a value with ': ' in it"
    return f"expected ',' or {end} before {quote(rest)}; quote a value that holds any of , [ ] {{ }}"


def _closed(refusal: Refusal) -> list[str] | None:
    """The lines without the outermost value that is open; None when that is the whole file."""
    line, column = refusal.opened[0]
    if not refusal.lines[line][:column].strip():
        return None
    repaired = refusal.unreadable(line, column)
    if refusal.is_at_end:
        repaired[line + 1 :] = [""] * (len(repaired) - line - 1)
    return repaired
