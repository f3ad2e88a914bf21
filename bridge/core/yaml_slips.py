"""What libyaml refuses, explained to an admin, and a way round it so that the rest can be checked too.

A repair never moves anything: it replaces characters by as many others, so that every later problem
keeps its line and column. Characters YAML refuses at the start of a value become markers that
`restore` turns back; a value that cannot be read becomes a text that readers skip.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.near import quote

_MARKERS: Final = {c: chr(0xFDD0 + n) for n, c in enumerate("@`%*&#\\")}
_RESTORE: Final = {ord(marker): c for c, marker in _MARKERS.items()}
PARTIAL_TEXT: Final = "\ufddf"
"""Stands for a value that could not be read and was complained about."""

_CURLY: Final = "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a"
_STRAIGHT: Final = dict.fromkeys(map(ord, _CURLY[:5]), '"') | dict.fromkeys(map(ord, _CURLY[5:]), "'")
_SPACES: Final = "\u00a0\u2007\u202f\u3000\u2003\u2002\u2009"
_INVISIBLE: Final = "\u200b\u2060\ufeff\u00ad"
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_KEY_VALUE: Final = re.compile(r"\s*(?:-\s+)*(?:\"[^\"]*\"|'[^']*'|[^\s\"'#\[\]{},:][^:#{}\[\]]*):(\s+|$)")
_ESCAPE: Final = re.compile(r'\\(?![0abtnvfre "/\\N_LPxuU])')
_VALUE_END: Final = re.compile(r"[,\]}]|\s+#|\s*$")


@dataclass(frozen=True, slots=True)
class Slip:
    """A mistake in the YAML itself: its place, what to say ("" when it only follows from another one),
    and the lines without it. `loses` says that the repair leaves something out."""

    line: int
    column: int
    message: str
    repaired: list[str] | None
    loses: bool = True


@dataclass(frozen=True, slots=True)
class _Refusal:
    """libyaml's refusal: what and where, counting from 0; `since` is where what it was reading began."""

    problem: str
    context: str
    line: int
    column: int
    since: int
    since_column: int
    lines: list[str]

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
        return self.replaced(line, text[:column] + _MARKERS[text[column]] + text[column + 1 :])

    def unreadable(self, line: int, column: int | None = None) -> list[str]:
        """The lines with the value that begins there (or the line's value) turned into one to skip."""
        text = self.lines[line]
        found = _KEY_VALUE.match(text)
        start = column if column is not None else found.end() if found else -1
        if start < 0 or start >= len(text):
            return self.replaced(line, "")
        return self.replaced(line, text[:start] + PARTIAL_TEXT * (len(text) - start))


def explain_slip(error: Exception, lines: list[str], earlier: list[Slip]) -> Slip:
    """The mistake behind a refusal of the parser, at its place, with a repair where there is one."""
    refusal = _refusal(error, lines)
    for explain in _EXPLAINERS:
        slip = explain(refusal)
        if slip:
            return slip
    gaps = {number for slip in earlier if slip.loses for number in (slip.line, slip.line + 1)}
    follows = refusal.line + 1 in gaps or (refusal.before or 0) + 1 in gaps
    message = "" if follows else _general(refusal)
    return Slip(refusal.line + 1, refusal.column + 1, message, _without_line(refusal))


def restore(text: str) -> str:
    """The text with its markers turned back into what was written."""
    return text.translate(_RESTORE)


def odd_character(text: str) -> str:
    """What is wrong with an unquoted text that was pasted from a chat or a document, or ""."""
    if text[0] in _CURLY:
        return f'{quote(text)} stands in curly quotes, pasted from a chat or document; use straight ones: "…"'
    for c in text:
        if c in _SPACES:
            return (
                f"{quote(text.translate(_BLANKS))} holds a non-breaking space (U+{ord(c):04X}), "
                "pasted from a chat or document; type an ordinary space"
            )
        if c in _INVISIBLE:
            shown = quote(text.translate(_BLANKS))
            return f"{shown} holds an invisible character (U+{ord(c):04X}); type it anew"
    return ""


def straighten(text: str) -> str:
    """The text without what `odd_character` complains about."""
    text = text.translate(_BLANKS)
    return text.strip(_CURLY).strip() if text and text[0] in _CURLY else text.strip()


_BLANKS: Final = dict.fromkeys(map(ord, _SPACES), " ") | dict.fromkeys(map(ord, _INVISIBLE), "")


def _refusal(error: Exception, lines: list[str]) -> _Refusal:
    mark, since = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem, context = getattr(error, "problem", None) or "", getattr(error, "context", None) or ""
    mark = mark or since
    if mark is None:
        line, column = _first_control(lines)
        return _Refusal("control", "", line, column, line, column, lines)
    line, column = _inside(mark, lines)
    start = _inside(since, lines) if since else (line, column)
    return _Refusal(problem, context, line, column, *start, lines)


def _inside(mark: Any, lines: list[str]) -> tuple[int, int]:
    """The mark's place; the end of the file counts as the end of its last line with text."""
    line, column = mark.line, mark.column
    while line > 0 and (line >= len(lines) or (line == len(lines) - 1 and not lines[line].strip())):
        line -= 1
        column = len(lines[line].rstrip())
    return line, column


def _first_control(lines: list[str]) -> tuple[int, int]:
    for number, text in enumerate(lines):
        found = _CONTROL.search(text)
        if found:
            return number, found.start()
    return 0, 0


def _control(refusal: _Refusal) -> Slip | None:
    if refusal.problem != "control":
        return None
    text = refusal.text[refusal.column : refusal.column + 1]
    said = f"U+{ord(text):04X}" if text else "somewhere"
    cleaned = [_CONTROL.sub(" ", line) for line in refusal.lines]
    message = f"control characters are not allowed in a rules file ({said})"
    return Slip(refusal.line + 1, refusal.column + 1, message, cleaned, loses=False)


def _pasted(refusal: _Refusal) -> Slip | None:
    """Curly quotes and odd spaces in or next to the line that was refused."""
    for number in dict.fromkeys((refusal.line, refusal.before, refusal.since)):
        if number is None or number >= len(refusal.lines):
            continue
        text = refusal.lines[number]
        found = re.search(f"(?:^|[\\s:,\\[{{-])([{_CURLY}])|([{_SPACES}{_INVISIBLE}])", text)
        if not found or _in_quotes_or_comment(text, found.start()):
            continue
        column = found.start(found.lastindex or 0)
        message = odd_character(text[column:].split(",")[0] if found[1] else text.strip())
        mended = text.translate(_STRAIGHT) if found[1] else text
        mended = re.sub(f"[{_SPACES}{_INVISIBLE}]", " ", mended)
        return Slip(number + 1, column + 1, message, refusal.replaced(number, mended), loses=False)
    return None


def _in_quotes_or_comment(text: str, column: int) -> bool:
    before = text[:column]
    return before.lstrip().startswith("#") or " #" in before or before.count('"') % 2 == 1


def _no_start(refusal: _Refusal) -> Slip | None:
    """A character that cannot start a value: '@', '`', '%' or a tab."""
    if "cannot start any token" not in refusal.problem:
        return None
    c = refusal.text[refusal.column : refusal.column + 1]
    if c == "\t":
        spaced = [re.sub(r"^[ \t]*", lambda m: m[0].replace("\t", "  "), line) for line in refusal.lines]
        if spaced == refusal.lines:
            spaced = refusal.replaced(refusal.line, refusal.text.replace("\t", " "))
        message = "a tab; YAML indents with spaces only"
        return Slip(refusal.line + 1, refusal.column + 1, message, spaced)
    if c not in _MARKERS:
        return None
    word = _word(refusal.text, refusal.column)
    message = f'YAML reserves {quote(c)} at the start of a value; quote it: "{word}"'
    repaired = refusal.marked(refusal.line, refusal.column)
    return Slip(refusal.line + 1, refusal.column + 1, message, repaired, loses=False)


def _word(text: str, column: int) -> str:
    """The unquoted value that starts there, as far as it can be told."""
    found = _VALUE_END.search(text, column)
    return text[column : found.start() if found else None][:60]


def _star(refusal: _Refusal) -> Slip | None:
    """A glob or '&' that YAML takes for an alias or an anchor."""
    if "alphabetic or numeric character" not in refusal.problem or refusal.since >= len(refusal.lines):
        return None
    text, column = refusal.lines[refusal.since], refusal.since_column
    if text[column : column + 1] not in ("*", "&"):
        return None
    what = "an alias" if text[column] == "*" else "an anchor"
    word = _word(text, column)
    message = f'YAML reads {quote(text[column])} at the start of a value as {what}; quote it: "{word}"'
    return Slip(refusal.since + 1, column + 1, message, refusal.marked(refusal.since, column), loses=False)


def _escape(refusal: _Refusal) -> Slip | None:
    """A backslash in double quotes that YAML does not know."""
    if "escape" not in refusal.problem:
        return None
    column = refusal.text.rfind("\\", 0, refusal.column + 1)
    if column < 0:
        return None
    head, tail = refusal.text[:column], refusal.text[column:]
    mended = _MARKERS["\\"] + _ESCAPE.sub(_MARKERS["\\"], tail[1:])
    message = (
        f"in double quotes {quote(tail[:2])} is not an escape; "
        f"put the text in single quotes, or write {quote(chr(92) + tail[:2])}"
    )
    repaired = refusal.replaced(refusal.line, head + mended)
    return Slip(refusal.line + 1, column + 1, message, repaired, loses=False)


def _open_quote(refusal: _Refusal) -> Slip | None:
    """A quote that is never closed; the first line with an odd number of quotes is the one."""
    scanning = "quoted scalar" in refusal.context
    if not scanning and "did not find" not in refusal.problem and "not allowed" not in refusal.problem:
        return None
    top = refusal.since if scanning else max(0, refusal.line - 3)
    for number in range(0 if scanning else top, refusal.line + 1):
        column = _odd_quote(refusal.lines[number])
        if column is not None:
            message = f"the quote {quote(refusal.lines[number][column])} is never closed in this line"
            return Slip(number + 1, column + 1, message, refusal.unreadable(number, column))
    if not scanning:
        return None
    message = "this quote is never closed"
    repaired = refusal.unreadable(refusal.since, refusal.since_column)
    return Slip(refusal.since + 1, refusal.since_column + 1, message, repaired)


def _odd_quote(text: str) -> int | None:
    """Where a value's opening quote stands that its line does not close."""
    found = re.search(r"(?:[:\-]\s+|[\[{,]\s*)([\"'])", text)
    while found:
        start, mark = found.start(1), found[1]
        body = r'"(?:[^"\\]|\\.)*"' if mark == '"' else r"'(?:[^']|'')*'"
        closed = re.compile(body).match(text, start)
        if not closed:
            return start
        found = re.compile(r"(?:[:\-]\s+|[\[{,]\s*)([\"'])").search(text, closed.end())
    return None


def _braces(refusal: _Refusal) -> Slip | None:
    """A template that begins with {{ and is not quoted."""
    for number in {n: n for n in (refusal.line, refusal.since) if n < len(refusal.lines)}:
        found = re.search(r"(?:[:\-]\s+|^\s*)(\{\{)", refusal.lines[number])
        if found:
            message = 'a value that starts with {{ must be quoted: "{{ … }}"'
            repaired = refusal.unreadable(number, found.start(1))
            return Slip(number + 1, found.start(1) + 1, message, repaired)
    return None


def _after_quote(refusal: _Refusal) -> Slip | None:
    """Text after a closing quote: `"x" y`, or `'it's'`."""
    found = re.search(r"(?:[:\-]\s+)((\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*')\s*[^\s,\]}#:])", refusal.text)
    if not found or refusal.column < found.start(1):
        return None
    mark = found[2][0]
    inner = "''" if mark == "'" else '\\"'
    message = f"there is text after the closing quote; a quote inside the value is written {inner}"
    repaired = refusal.unreadable(refusal.line, found.start(1))
    return Slip(refusal.line + 1, found.start(1) + 1, message, repaired)


def _comment_in_list(refusal: _Refusal) -> Slip | None:
    """`[#sales, …]`: the mark begins a comment, and so the bracket is never closed."""
    if "flow" not in refusal.context:
        return None
    for number in dict.fromkeys((refusal.since, refusal.before)):
        text = refusal.lines[number] if number is not None and number < len(refusal.lines) else ""
        found = re.search(r"(?<=[\s,\[{])#[^\s#]", text)
        if number is None or not found or not re.search(r"[\[{]", text[: found.start()]):
            continue
        word = _word(text, found.start())
        message = f'YAML reads {quote(word)} as a comment; quote it: "{word}"'
        repaired = refusal.marked(number, found.start())
        return Slip(number + 1, found.start() + 1, message, repaired, loses=False)
    return None


def _open_bracket(refusal: _Refusal) -> Slip | None:
    if "flow" not in refusal.context or refusal.since >= len(refusal.lines):
        return None
    mark = refusal.lines[refusal.since][refusal.since_column : refusal.since_column + 1]
    if mark not in ("[", "{"):
        return None
    if refusal.line == refusal.since and refusal.column < len(refusal.text):
        rest = refusal.text[refusal.column :]
        message = f"expected ',' or {quote(']' if mark == '[' else '}')} before {quote(rest)}"
        place = refusal.line, refusal.column
    else:
        message = f"{quote(mark)} is never closed"
        place = refusal.since, refusal.since_column
    repaired = refusal.unreadable(refusal.since, refusal.since_column)
    return Slip(place[0] + 1, place[1] + 1, message, repaired)


def _colon_in_value(refusal: _Refusal) -> Slip | None:
    """`title: Booked: {{ … }}`: a value with ': ' in it."""
    if "mapping values" not in refusal.problem:
        return None
    found = _KEY_VALUE.match(refusal.text)
    if not found or found.end() > refusal.column:
        return None
    message = "a value with ': ' in it must be quoted: \"…\""
    repaired = refusal.unreadable(refusal.line, found.end())
    return Slip(refusal.line + 1, found.end() + 1, message, repaired)


def _no_colon(refusal: _Refusal) -> Slip | None:
    """`name:sales` or `post {to: …}`: a key without ': ' after it."""
    if not any(sign in refusal.problem for sign in ("mapping values", "expected ':'", "expected key")):
        return None
    numbers: tuple[int | None, ...] = (refusal.line, refusal.since, refusal.before)
    if "mapping values" in refusal.problem:
        numbers = (refusal.before, refusal.since, refusal.line)
    for number in dict.fromkeys(n for n in numbers if n is not None and n < len(refusal.lines)):
        text = refusal.lines[number]
        found = re.match(r"(\s*(?:-\s+)*)([A-Za-z_]\w*)(:(?=\S)|\s+(?=\S)|\s*$)", text)
        if found and not _KEY_VALUE.match(text):
            message = f"expected ': ' (a colon and a space) after {quote(found[2])}"
            return Slip(number + 1, found.start(2) + 1, message, refusal.replaced(number, ""))
    return None


def _general(refusal: _Refusal) -> str:
    if "mapping values" in refusal.problem:
        return "this line is indented more than the one it belongs to, which already has a value"
    if "expected key" in refusal.problem or "'-' indicator" in refusal.problem:
        return "this line does not fit in here; compare its indentation with the lines above"
    if "document start" in refusal.problem:
        return "this line is indented less than the first one"
    return f"this is not YAML: {refusal.problem}"


def _without_line(refusal: _Refusal) -> list[str] | None:
    if refusal.line < len(refusal.lines) and refusal.text:
        return refusal.replaced(refusal.line, "")
    return None


_EXPLAINERS: Final[tuple[Callable[[_Refusal], Slip | None], ...]] = (
    _control,
    _pasted,
    _no_start,
    _star,
    _escape,
    _comment_in_list,
    _braces,
    _after_quote,
    _open_quote,
    _open_bracket,
    _colon_in_value,
    _no_colon,
)
"""Tried in this order: the most telling explanation first."""
