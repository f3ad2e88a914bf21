"""What pasting and other keyboards leave in a rules file: odd spaces, colons, line breaks, quotes, tabs."""

from __future__ import annotations

import re
from typing import Final

from bridge.core.suggestions import quote
from bridge.core.yaml_file.pasted import CURLY, INVISIBLE, SPACES, STRAIGHT, odd_character
from bridge.core.yaml_file.refusal import Refusal, Slip

_BREAK: Final = re.compile("[\x85\u2028\u2029]")
_NAMES: Final = {"\x85": "U+0085", "\u2028": "U+2028", "\u2029": "U+2029"}
_ODD_COLON: Final = re.compile(
    f"(?P<key>[A-Za-z_]\\w*)(?P<colon>[\uff1a\ufe55\ufe13]|:(?=[{SPACES}{INVISIBLE}]))"
)
_KEY_STARTS: Final = re.compile(r"(?:^|[{,])\s*(?:-\s+)*$")
_CURLY_OR_SPACE: Final = re.compile(f"(?:^|[\\s:,\\[{{-])([{CURLY}])|([{SPACES}{INVISIBLE}])")
_MOST: Final = 25
_CONFLICT: Final = re.compile(r"(?:<{7}|={7}|>{7})(?:\s|$)")
_UNMERGED: Final = (
    "a merge left both sides here; keep one, and remove the lines of <<<<<<<, ======= and >>>>>>>"
)
_TAB_WIDTH: Final = 8
_OPENS: Final = re.compile(r"(?::|[|>][-+0-9]*)\s*(?:#.*)?$")


def odd_breaks(lines: list[str]) -> tuple[list[str], list[Slip]]:
    """The lines with a space for every line break that only YAML knows; told where it is no comment."""
    slips: list[Slip] = []
    made = list(lines)
    for number, text in enumerate(lines):
        found = None if text.isascii() else _BREAK.search(text)
        if found:
            made[number] = _BREAK.sub(" ", text)
            if not text.lstrip().startswith("#") and len(slips) < _MOST:
                said = f"an invisible line break ({_NAMES[found[0]]}), pasted from a document; remove it"
                slips.append(Slip(number + 1, found.start() + 1, said, None, loses=False))
    return made, slips


def without_conflicts(lines: list[str]) -> tuple[list[str], list[Slip]]:
    """The lines with the first side of each conflict that a merge left, empty lines in place of the rest."""
    made, slips = list(lines), list[Slip]()
    began: int | None = None
    is_second = False
    for number, text in enumerate(lines):
        mark = found[0][0] if (found := _CONFLICT.match(text)) else ""
        if mark == "<":
            began, is_second = number, False
        elif began is None:
            continue
        is_second = is_second or mark == "="
        if mark or is_second:
            made[number] = ""
        if mark == ">":
            slips.append(Slip(began + 1, 1, _UNMERGED, None))
            began = None
    return (made, slips[:_MOST]) if slips and began is None else (lines, [])


def odd_colon(lines: list[str], number: int) -> Slip | None:
    """A key in this line (from 0) whose colon is a wide one, or has an odd space behind it."""
    text = lines[number] if number < len(lines) else ""
    if text.isascii():
        return None
    for found in _ODD_COLON.finditer(text):
        if not _KEY_STARTS.search(text[: found.start()]):
            continue
        key, at = found["key"], found.end("colon")
        if found["colon"] == ":":
            said = f"after {quote(key + ':')} stands {_space(text[at])}; type an ordinary space"
            column, mended = at, text[:at] + " " + text[at + 1 :]
        else:
            name = f"U+{ord(found['colon']):04X}"
            said = f"the colon after {quote(key)} is a wide one ({name}); type ':' and a space"
            column = found.start("colon")
            rest = re.sub(f"^[{SPACES}{INVISIBLE}]", " ", text[at:])
            mended = text[:column] + ":" + ("" if rest[:1] in ("", " ") else " ") + rest
        return Slip(
            number + 1, column + 1, said, [*lines[:number], mended, *lines[number + 1 :]], loses=False
        )
    return None


def _space(character: str) -> str:
    what = "an invisible character" if character in INVISIBLE else "a non-breaking space"
    return f"{what} (U+{ord(character):04X}), pasted from a chat or document"


def pasted(refusal: Refusal) -> Slip | None:
    """Curly quotes, odd spaces and odd colons in or next to the line that was refused."""
    for number in dict.fromkeys((refusal.line, refusal.before, refusal.since)):
        if number is None or number >= len(refusal.lines):
            continue
        text = refusal.lines[number]
        if slip := odd_colon(refusal.lines, number):
            return slip
        found = _CURLY_OR_SPACE.search(text)
        if not found or _in_quotes_or_comment(text, found.start()):
            continue
        column = found.start(found.lastindex or 0)
        message = odd_character(text[column:].split(",")[0] if found[1] else text.strip(" "))
        mended = text.translate(STRAIGHT) if found[1] else text
        mended = re.sub(f"[{SPACES}{INVISIBLE}]", " ", mended)
        return Slip(number + 1, column + 1, message, refusal.replaced(number, mended), loses=False)
    return None


def _in_quotes_or_comment(text: str, column: int) -> bool:
    before = text[:column]
    return before.lstrip().startswith("#") or " #" in before or before.count('"') % 2 == 1


def tab(refusal: Refusal) -> Slip | None:
    """A tab where YAML takes spaces only; all of the file's tabs are turned into what they look like."""
    is_tab = refusal.text[refusal.column : refusal.column + 1] == "\t"
    if not is_tab or not any(s in refusal.problem for s in ("cannot start any token", "tab character")):
        return None
    spaced = _without_tabs(refusal.lines)
    if spaced == refusal.lines:
        spaced = refusal.replaced(refusal.line, refusal.text.replace("\t", " "))
    message = "a tab; YAML indents with spaces only"
    return Slip(refusal.line + 1, refusal.column + 1, message, spaced, loses=False)


def _without_tabs(lines: list[str]) -> list[str]:
    """The lines with tabs at their beginning as the spaces that the lines around suggest."""
    made: list[str] = []
    levels: list[tuple[int, int]] = [(0, 0)]
    above, dash = "", 0
    for text in lines:
        body = text.lstrip(" \t")
        lead = text[: len(text) - len(body)]
        if not body or body.startswith("#"):
            made.append(text.replace("\t", " ") if not body else text)
            continue
        width = sum(_TAB_WIDTH if c == "\t" else 1 for c in lead)
        column = _column(width, body, levels, above, dash) if "\t" in lead else len(lead)
        while levels[-1][0] >= width and len(levels) > 1:
            levels.pop()
        levels.append((width, column))
        above = " " * column + body
        dash = column if body.startswith("- ") else dash
        made.append(above if "\t" in lead else text)
    return made


def _column(width: int, body: str, levels: list[tuple[int, int]], above: str, dash: int) -> int:
    """Where a line so far to the right belongs, below the line above."""
    known = next((column for before, column in reversed(levels) if before == width), None)
    if known is not None:
        return known
    content = len(above) - len(re.sub(r"^\s*(?:-\s+)*", "", above))
    if width < levels[-1][0]:
        return next(column for before, column in reversed(levels) if before <= width)
    if _OPENS.search(above):
        return content + 2
    return dash if body.startswith("- ") else content
