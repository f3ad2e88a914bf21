"""The nearest valid name to a misspelt one, and quoting of what an admin wrote, for error texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

_LONGEST: Final = 60
_CUTOFF: Final = 0.6
_SHORT, _CUTOFF_OF_SHORT = 2, 0.8
"""Two letters are in many words that are not meant."""
_DIFFERENCE: Final = 20
"""In length; more is not close."""
_MOST: Final = 1_000
"""Names that are compared: a file may define any number of messages."""
_SECRET: Final = re.compile(
    r"(?<=hooks\.slack\.com/)[^\s'\"]+|(?<=hooks\.slack-gov\.com/)[^\s'\"]+|xox[a-z]-[\w-]+"
)
"""What somebody pasted into the wrong file must not reach a log or an alert as well."""


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name closest to `word`, ignoring case; None when none is close."""
    if not word or len(word) > _LONGEST:
        return None
    alike = (name for name in names if abs(len(name) - len(word)) <= _DIFFERENCE)
    folded = {name.casefold(): name for name in islice(alike, _MOST)}
    cutoff = _CUTOFF if len(word) > _SHORT else _CUTOFF_OF_SHORT
    close = get_close_matches(word.casefold(), folded, n=1, cutoff=cutoff)
    return folded[close[0]] if close else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """ " (did you mean 'event'?)", or "" when no name is close."""
    found = nearest(word, names)
    return f" (did you mean {quote(found)}?)" if found is not None else ""


def quote(text: str) -> str:
    """The text in single quotes on one line, cut to a readable length; of a secret only that it is one."""
    text = _SECRET.sub("…", text)
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: _LONGEST + 1])
    return f"'{shown[:_LONGEST]}…'" if len(text) > _LONGEST else f"'{shown}'"


def listed(names: Iterable[str], last: str = "or") -> str:
    """ "a, b or c"; nothing at all is "nothing"."""
    words = list(names)
    if len(words) < 2:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
