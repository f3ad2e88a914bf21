"""What libyaml refuses, explained to an admin, and a way round it so that the rest can be checked too."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bridge.core.suggestions import quote
from bridge.core.yaml_file.brackets import open_bracket, open_quote
from bridge.core.yaml_file.pasting import pasted, tab
from bridge.core.yaml_file.refusal import CONTROL, KEY_VALUE, MARKERS, PARTIAL_TEXT, Refusal, Slip

_ESCAPE: Final = re.compile(r'\\(?![0abtnvfre "/\\N_LPxuU])')
_DASH: Final = re.compile("(\\s*)([\u2010-\u2015\u2022\u00b7\u2212]\\s+|-(?=[A-Za-z_]+:))")
_INDICATORS: Final = {"*": "an alias", "&": "an anchor", "!": "a tag"}
_KEY_ALONE: Final = re.compile(r"(\s*(?:-\s+)*)([A-Za-z_]\w*)(:(?=\S)|\s+(?=\S)|\s*$)")
RESERVED: Final = "YAML reserves"
"""How the advice to quote a value begins."""
_VALUE_END: Final = re.compile(r"[,\]}]|\s+#|\s*$")


def explain_slip(refusal: Refusal, earlier: list[Slip]) -> Slip:
    """The mistake behind a refusal of the parser, at its place, with a repair where there is one."""
    for explain in _EXPLAINERS:
        slip = explain(refusal)
        if slip and explain is open_bracket and _is_taken(slip, refusal, earlier):
            return replace(slip, message="")  # the repair of an earlier slip took the closing bracket
        if slip:
            return slip
    gaps = {number for slip in earlier if slip.loses for number in (slip.line, slip.line + 1)}
    follows = refusal.line + 1 in gaps or (refusal.before or 0) + 1 in gaps
    message = "" if follows else _general(refusal)
    moved = _moved(refusal)
    if moved:
        return Slip(refusal.line + 1, refusal.column + 1, message, moved, loses=False)
    return Slip(refusal.line + 1, refusal.column + 1, message, _without_line(refusal))


def _is_taken(slip: Slip, refusal: Refusal, earlier: list[Slip]) -> bool:
    """Whether the repair of an earlier mistake took out what closes this bracket."""
    inside = [e.line for e in earlier if e.loses and e.line >= slip.line]
    return slip.line in inside or (refusal.is_at_end and bool(inside))


def _control(refusal: Refusal) -> Slip | None:
    if refusal.problem != "control":
        return None
    text = refusal.text[refusal.column : refusal.column + 1]
    said = f"U+{ord(text):04X}" if text else "somewhere"
    cleaned = [CONTROL.sub(" ", line) for line in refusal.lines]
    message = f"control characters are not allowed in a rules file ({said})"
    return Slip(refusal.line + 1, refusal.column + 1, message, cleaned, loses=False)


def _no_start(refusal: Refusal) -> Slip | None:
    """A character that cannot start a value: '@', '`' or '%'."""
    c = refusal.text[refusal.column : refusal.column + 1]
    if "cannot start any token" not in refusal.problem or c not in MARKERS:
        return None
    word = _word(refusal.text, refusal.column)
    message = f'{RESERVED} {quote(c)} at the start of a value; quote it: "{word}"'
    repaired = refusal.marked(refusal.line, refusal.column)
    return Slip(refusal.line + 1, refusal.column + 1, message, repaired, loses=False)


def _word(text: str, column: int) -> str:
    """The unquoted value that starts there, as far as it can be told."""
    found = _VALUE_END.search(text, column)
    return text[column : found.start() if found else None][:60]


def _indicator(refusal: Refusal) -> Slip | None:
    """A value that begins with '*', '&' or '!', which YAML takes for an alias, an anchor or a tag."""
    text = refusal.lines[refusal.since] if refusal.since < len(refusal.lines) else ""
    column = refusal.since_column
    what = _INDICATORS.get(text[column : column + 1])
    if not what or what.split()[-1] not in refusal.context:
        return None
    word = _word(text, column)
    message = f'YAML reads {quote(text[column])} at the start of a value as {what}; quote it: "{word}"'
    return Slip(refusal.since + 1, column + 1, message, refusal.marked(refusal.since, column), loses=False)


def _fence(refusal: Refusal) -> Slip | None:
    """The marks around a piece of code in a chat."""
    for number in dict.fromkeys((refusal.line, refusal.since)):
        text = refusal.lines[number] if number < len(refusal.lines) else ""
        if text.lstrip().startswith("```"):
            message = "this line is the frame of a code block in a chat; remove it"
            return Slip(number + 1, 1, message, refusal.replaced(number, ""), loses=False)
    return None


def _dash(refusal: Refusal) -> Slip | None:
    """A list item that begins with a longer dash, a bullet, or a hyphen without a space."""
    for number in dict.fromkeys((refusal.line, refusal.before, refusal.since)):
        text = refusal.lines[number] if number is not None and number < len(refusal.lines) else ""
        found = _DASH.match(text)
        if found and number is not None:
            message = (
                f"a list item begins with '- ' (a hyphen and a space), not with {quote(found[2].strip())}"
            )
            mended = f"{found[1]}- {text[found.end() :]}"
            return Slip(number + 1, found.start(2) + 1, message, refusal.replaced(number, mended))
    return None


def _escape(refusal: Refusal) -> Slip | None:
    """A backslash in double quotes that YAML does not know."""
    if "escape" not in refusal.problem:
        return None
    column = refusal.text.rfind("\\", 0, refusal.column + 1)
    if column < 0:
        return None
    head, tail = refusal.text[:column], refusal.text[column:]
    mended = MARKERS["\\"] + _ESCAPE.sub(MARKERS["\\"], tail[1:])
    message = (
        f"in double quotes {quote(tail[:2])} is not an escape; "
        f"put the text in single quotes, or write {quote(chr(92) + tail[:2])}"
    )
    repaired = refusal.replaced(refusal.line, head + mended)
    return Slip(refusal.line + 1, column + 1, message, repaired, loses=False)


def _braces(refusal: Refusal) -> Slip | None:
    """A template that begins with {{ and is not quoted."""
    for number in {n: n for n in (refusal.line, refusal.since) if n < len(refusal.lines)}:
        text = refusal.lines[number]
        found = re.search(r"(?:[:\-]\s+|^\s*)(\{\{)", text)
        key = KEY_VALUE.match(text)
        begins = key is None or text[key.end() : key.end() + 1] in ("{", "[")
        if found and begins:
            message = 'a value that starts with {{ must be quoted: "{{ … }}"'
            repaired = refusal.unreadable(number, found.start(1))
            return Slip(number + 1, found.start(1) + 1, message, repaired)
    return None


def _after_quote(refusal: Refusal) -> Slip | None:
    """Text after a closing quote: `"x" y`, or `'it's'`."""
    found = re.search(r"(?:[:\-]\s+)((\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*')\s*[^\s,\]}#:])", refusal.text)
    if not found or refusal.column < found.start(1):
        return None
    mark = found[2][0]
    inner = "''" if mark == "'" else '\\"'
    message = f"there is text after the closing quote; a quote inside the value is written {inner}"
    repaired = refusal.unreadable(refusal.line, found.start(1))
    return Slip(refusal.line + 1, found.start(1) + 1, message, repaired)


def _comment_in_list(refusal: Refusal) -> Slip | None:
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


def _colon_in_value(refusal: Refusal) -> Slip | None:
    """`title: Booked: {{ … }}`: a value with ': ' in it."""
    if "mapping values" not in refusal.problem:
        return None
    found = KEY_VALUE.match(refusal.text)
    if not found or found.end() > refusal.column:
        return None
    message = "a value with ': ' in it must be quoted: \"…\""
    repaired = refusal.unreadable(refusal.line, found.end())
    return Slip(refusal.line + 1, found.end() + 1, message, repaired)


def _no_colon(refusal: Refusal) -> Slip | None:
    """`name:sales` or `post {to: …}`: a key without ': ' after it."""
    if not any(sign in refusal.problem for sign in ("mapping values", "expected ':'", "expected key")):
        return None
    numbers: tuple[int | None, ...] = (refusal.line, refusal.since, refusal.before)
    if "mapping values" in refusal.problem:
        numbers = (refusal.before, refusal.since, refusal.line)
    for number in dict.fromkeys(n for n in numbers if n is not None and n < len(refusal.lines)):
        text = refusal.lines[number]
        found = _KEY_ALONE.match(text)
        if found and not KEY_VALUE.match(text):
            message = f"expected ': ' (a colon and a space) after {quote(found[2])}"
            is_alone = not text[found.end(2) :].strip()
            opens = is_alone and _is_deeper(refusal.lines[number:], len(found[1]))
            mended = f"{found[1]}{found[2]}:" if opens else f"{found[1]}{found[2]}: {PARTIAL_TEXT}"
            repaired = refusal.replaced(number, mended)
            return Slip(number + 1, found.start(2) + 1, message, repaired, loses=not opens)
    return None


def _is_deeper(lines: list[str], column: int) -> bool:
    """Whether what follows the first of these lines belongs to the key at this column."""
    below = next((line for line in lines[1:] if line.strip() and line.lstrip()[0] != "#"), "")
    return len(below) - len(below.lstrip()) > column


_GENERAL: Final = (
    ("mapping values", "this line is indented more than the one it belongs to, which already has a value"),
    ("expected key", "this line does not fit in here; compare its indentation with the lines above"),
    ("'-' indicator", "this line does not fit in here; compare its indentation with the lines above"),
    ("block sequence entries", "a list item cannot begin here; begin it on a line of its own, with '- '"),
    ("document start", "this line is indented less than the first one, or stands before it"),
    ("expected ':'", "expected ': ' (a colon and a space) after the key in this line"),
    ("mapping keys", "a key cannot begin here; write one key in a line, and no '?' before it"),
    ("expected comment", "after '|' or '>' the text begins in the next line"),
    ("indentation indicator", "after '|' or '>' the text begins in the next line"),
    ("directive", "a line that begins with '%' is not used here; remove it"),
    ("YAML", "a line that begins with '%' is not used here; remove it"),
)
"""Words of libyaml's refusals, and what to say to a person."""
CANNOT: Final = "this line cannot be read as YAML; compare it with the lines around it"


def _general(refusal: Refusal) -> str:
    return next((said for sign, said in _GENERAL if sign in refusal.problem), CANNOT)


def _moved(refusal: Refusal) -> list[str] | None:
    """The lines with a list's item, indented unlike those before it, where they are."""
    if not re.match(r"\s*- ", refusal.text):
        return None
    for above in reversed(refusal.lines[: refusal.line]):
        found = re.match(r"(\s*)- ", above)
        if found and len(found[1]) != refusal.column:
            return refusal.replaced(refusal.line, found[1] + refusal.text.lstrip())
    return None


def _without_line(refusal: Refusal) -> list[str] | None:
    if refusal.line < len(refusal.lines) and refusal.text:
        return refusal.replaced(refusal.line, "")
    return None


_EXPLAINERS: Final[tuple[Callable[[Refusal], Slip | None], ...]] = (
    _control,
    pasted,
    tab,
    _fence,
    _no_start,
    _indicator,
    _dash,
    _escape,
    _comment_in_list,
    _braces,
    _after_quote,
    open_quote,
    open_bracket,
    _colon_in_value,
    _no_colon,
)
"""Tried in this order: the most telling explanation first."""
