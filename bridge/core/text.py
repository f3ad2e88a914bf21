"""Foreign text and times, made harmless: what every value from outside passes through."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Final

_HARMFUL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"  # C0 and C1 controls but tab, newline, return, NEL
    "\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"  # invisible and bidirectional controls
    "\u034f\u180e\ufeff\ufff9-\ufffb\ufffe\uffff\U0001d173-\U0001d17a]"
)
_TAGS: Final = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+")
"""Letters that no one sees; behind a black flag they make it that of a country."""
_SEEN: Final = re.compile(
    "[^\\s\u115f\u1160\u17b4\u17b5\u200c\u200d\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0000-\U000e01ef]"
)
_UNSEEN: Final = re.compile(_HARMFUL.pattern[:-1] + "\r\x85\u2028\u2029\ud800-\udfff]")
_BREAKS: Final = re.compile("\r\n?|\x85|\u2028|\u2029")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_PRIVATE: Final = re.compile(
    r"""(?P<mail>[^\s@'"<>(),;|]+@[^\s@'"<>(),;|]+\.[^\s@'"<>(),;|]+)"""
    r"""|(?P<address>(?:[a-z][a-z0-9+.-]*://|hooks\.slack\.com/)[^\s'"<>]*)"""
    r"|(?P<token>\b(?:xox[a-z]-|xapp-|cp_pat_|cp_key_)[\w-]+)",
    re.IGNORECASE,
)
_DOTLESS: Final = {0x130: "i", 0x131: "i"}
"""Turkish has two letters of which other languages' i and I are one; an admin types what the keyboard has."""
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def clean(value: str) -> str:
    """Text without control, invisible and bidirectional characters; line breaks become newlines.

    Text of which nothing would be seen is none.
    """
    if value.isascii() and value.isprintable():
        return value
    value = _TAGS.sub("", _HARMFUL.sub("", _BREAKS.sub("\n", value)))
    return _SURROGATES.sub("\ufffd", value) if _SEEN.search(value) else ""


def visible(value: str) -> str:
    """Text with whatever a terminal might obey or hide written as JSON escapes; newlines and tabs stay."""
    if value.isprintable():
        return value
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", value)


def impersonal(value: str) -> str:
    """Text without the e-mails, web addresses and tokens in it: for logs, /readyz and channels."""
    return _PRIVATE.sub(lambda found: "…@…" if found["mail"] else "…", value)


def text(value: object, *, limit: int = 300_000) -> str:
    """A scalar as clean text of at most `limit` characters; true, false and numbers as JSON has them."""
    if isinstance(value, str):
        return clean(value[:limit]).strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        try:
            return f"{value:.15g}" if isinstance(value, float) else str(value)[:limit]
        except ValueError:  # an integer beyond Python's limit for printing
            return ""
    return ""


def line(value: object, *, limit: int = 1_000) -> str:
    """Like `text`, on one line."""
    if type(value) is str and len(value) <= limit and value.isascii() and value.isprintable():
        return value if "  " not in value and value == value.strip() else " ".join(value.split())
    return " ".join(text(value, limit=limit).split())


def fold(text: str) -> str:
    """The text as names are compared: neither case nor the spaces around it count.

    Nor does how an accent is encoded: Unicode's canonical caseless matching (its standard, D145).
    """
    text = text.strip()
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", decomposed(text).casefold())


def decomposed(text: str) -> str:
    """The text with accents as characters of their own, and one kind of i."""
    return unicodedata.normalize("NFD", text.translate(_DOTLESS))


def instant(value: object) -> datetime | None:
    """An ISO-8601 time as aware UTC, None when it is not one; one without a zone is taken as UTC."""
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
        if parsed.tzinfo is UTC:
            moment = parsed
        else:
            moment = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _EARLIEST <= moment < LATEST else None
