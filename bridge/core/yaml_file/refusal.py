"""libyaml's refusal of a text, and repairs of it that move nothing.

A repair replaces characters by as many others, so that every later problem keeps its line and column:
characters that YAML refuses become markers that `restore` turns back, and a value that cannot be read
becomes a text that readers skip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

MARKERS: Final = {c: chr(0xFDD0 + n) for n, c in enumerate("@`%*&!#\\")}
_RESTORE: Final = {ord(marker): c for c, marker in MARKERS.items()}
PARTIAL_TEXT: Final = "\ufddf"
"""Stands for a value that could not be read and was complained about."""

CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
KEY_VALUE: Final = re.compile(r"\s*(?:-\s+)*(?:\"[^\"]*\"|'[^']*'|[^\s\"'#\[\]{},:][^:#{}\[\]]*):(\s+|$)")


def restore(text: str) -> str:
    """The text with its markers turned back into what was written."""
    return text.translate(_RESTORE)


@dataclass(frozen=True, slots=True, eq=False)
class Slip:
    """A mistake in the YAML itself: its place, what to say ("" when it only follows from another one),
    and the lines without it. `loses` says that the repair leaves something out."""

    line: int
    column: int
    message: str
    repaired: list[str] | None
    loses: bool = True


class TooMuch(Exception):
    """A limit is passed; its problem is already noted."""


class Misread(Exception):
    """YAML reads something else than what was meant."""

    def __init__(self, slip: Slip) -> None:
        super().__init__(slip.message)
        self.slip = slip


@dataclass(frozen=True, slots=True)
class Refusal:
    """libyaml's refusal: what and where, counting from 0; `since` is where what it was reading began.

    `opened` are the places of the brackets and braces that are open, the outermost first. `swallowed` is
    the place of the last quoted text that took in what looks like other lines' keys, and its last line.
    """

    problem: str
    context: str
    line: int
    column: int
    since: int
    since_column: int
    lines: list[str]
    opened: tuple[tuple[int, int], ...] = ()
    swallowed: tuple[int, int, int] | None = None

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more stands in the file."""
        rest = self.lines[self.line + 1 :]
        return not self.text[self.column :].strip() and not any(line.strip() for line in rest)

    @property
    def text(self) -> str:
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def before(self) -> int | None:
        """The nearest line above that is not blank or a comment."""
        numbers = range(min(self.line, len(self.lines)) - 1, -1, -1)
        return next((n for n in numbers if self.lines[n].strip() and self.lines[n].lstrip()[0] != "#"), None)

    def replaced(self, line: int, text: str) -> list[str]:
        return [*self.lines[:line], text, *self.lines[line + 1 :]]

    def marked(self, line: int, column: int) -> list[str]:
        """The lines with the character there turned into its marker."""
        text = self.lines[line]
        return self.replaced(line, text[:column] + MARKERS[text[column]] + text[column + 1 :])

    def unreadable(self, line: int, column: int | None = None) -> list[str]:
        """The lines with the value that begins there (or the line's value) turned into one to skip."""
        text = self.lines[line]
        found = KEY_VALUE.match(text)
        start = column if column is not None else found.end() if found else -1
        if start < 0 or start >= len(text):
            return self.replaced(line, "")
        return self.replaced(line, text[:start] + PARTIAL_TEXT * (len(text) - start))


def refused(error: Exception, lines: list[str]) -> Refusal:
    mark, since = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem, context = getattr(error, "problem", None) or "", getattr(error, "context", None) or ""
    mark = mark or since
    if mark is None:
        line, column = _first_control(lines)
        return Refusal("control", "", line, column, line, column, lines)
    line, column = _inside(mark, lines)
    start = _inside(since, lines) if since else (line, column)
    return Refusal(problem, context, line, column, *start, lines)


def _inside(mark: Any, lines: list[str]) -> tuple[int, int]:
    """The mark's place; the end of the file counts as the end of its last line with text."""
    line, column = mark.line, mark.column
    while line > 0 and (line >= len(lines) or (line == len(lines) - 1 and not lines[line].strip())):
        line -= 1
        column = len(lines[line].rstrip())
    return line, column


def _first_control(lines: list[str]) -> tuple[int, int]:
    for number, text in enumerate(lines):
        found = CONTROL.search(text)
        if found:
            return number, found.start()
    return 0, 0
