"""Patterns over text: literals, globs and regular expressions, compiled and checked once.

`*` and `?` as in file names: whole value, case ignored. Literals see the text as `core.text.fold` gives
it, globs with what was one letter held together, so that `?` is one. Between slashes an RE2 expression,
searched anywhere in the text as it came; `/…/i` ignores case as RE2 does. RE2 needs time linear in the
text, and bookers choose the text. RE2's syntax: https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Final

import re2

from bridge.core.suggestions import quote
from bridge.core.text import decomposed, fold

LONGEST: Final = 2_000
_REGEX: Final = re.compile(r"/(.*)/([A-Za-z]*)", re.DOTALL)
_JOINER: Final = "\u2060"
"""Between letters that came of one, as the two of "ss" from "ß"; no text from outside holds it."""
_EXPANDED: Final = "\u00df\u0149\u0587\u1e9a\ufb00\ufb01\ufb02\ufb05\ufb13\ufb14\ufb15\ufb16\ufb17"
"""Letters that `str.casefold` makes two of, such as "ß" and ligatures (Unicode's CaseFolding.txt, F)."""
_JOINED: Final = frozenset(c.casefold() for c in _EXPANDED)
_WILDCARDS: Final = {"*": ".*", "?": rf"[^{_JOINER}](?:{_JOINER}.)*\pM*"}
_HINTS: Final = (
    ("(?=", "look-ahead is not supported"),
    ("(?!", "look-ahead is not supported; turn the condition round with `not:`"),
    ("(?<", "look-behind is not supported"),
    ("escape sequence", "references such as \\1 and some escapes are not supported"),
    ("no argument for repetition", "write .* for any text, or \\* for a star"),
)


Value = tuple[str, str, str]
"""A text as Copera gave it, folded, and folded for globs."""


class BadPattern(ValueError):
    """A pattern that cannot be used; the message is for the admin."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern; two written alike are equal.

    `literal` is the folded text when there is no wildcard, else None; then `expression` is RE2 source
    that is searched in the value, folded for a glob.
    """

    source: str
    literal: str | None
    expression: str = ""
    is_glob: bool = False
    _compiled: Any = field(default=None, compare=False, repr=False)

    def matches(self, value: Value) -> bool:
        """Whether the value matches."""
        if self.literal is not None:
            return value[1] == self.literal
        return self._compiled.search(value[2 if self.is_glob else 0]) is not None

    def __str__(self) -> str:
        return self.source


def value(text: str) -> Value:
    """A text for patterns to be tried on."""
    folded = fold(text)
    if text.isascii():
        return text, folded, folded
    letters = decomposed(text.strip())
    if len(letters.casefold()) == len(letters):
        return text, folded, folded
    return text, folded, unicodedata.normalize("NFC", "".join(_JOINER.join(c.casefold()) for c in letters))


def compile_pattern(source: str) -> Pattern:
    """The pattern in this text. Raises BadPattern."""
    if not source.strip():
        raise BadPattern("an empty pattern matches nothing; '*' stands for any text")
    if len(source) > LONGEST:
        raise BadPattern(f"a pattern may have {LONGEST:,} characters, this has {len(source):,}")
    if source.startswith("/"):
        return _regex(source)
    if not any(c in source for c in _WILDCARDS):
        return Pattern(source, fold(source))
    glob = re.sub(r"\*+", "*", fold(source))
    expression = rf"(?s)\A{''.join(map(_glob_part, ' ' + glob, glob))}\z"
    return Pattern(source, None, expression, True, _compile(expression, source))


def _glob_part(before: str, c: str) -> str:
    """RE2 source of a character of a glob; two that may have come of one are so written in the value."""
    joiner = f"{_JOINER}?" if before + c in _JOINED else ""
    return _WILDCARDS.get(c) or joiner + re.escape(c)


def _regex(source: str) -> Pattern:
    found = _REGEX.fullmatch(source)
    if not found:
        raise BadPattern(f"the regular expression {quote(source)} has no closing slash; write /…/ or /…/i")
    expression, flags = found.groups()
    if flags not in ("", "i"):
        raise BadPattern(
            f"{quote(flags)} after the closing slash is unknown; only 'i' (ignore case) is known"
        )
    if not expression:
        raise BadPattern("the regular expression // is empty")
    expression = "(?i)" + expression if flags else expression
    return Pattern(source, None, expression, False, _compile(expression, source))


def _compile(expression: str, source: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except UnicodeEncodeError:
        raise BadPattern(f"the pattern {quote(source)} holds half a character") from None
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        hint = next((f" ({hint})" for sign, hint in _HINTS if sign in said), "")
        raise BadPattern(f"the pattern {quote(source)} is refused: {quote(said)[1:-1]}{hint}") from None
