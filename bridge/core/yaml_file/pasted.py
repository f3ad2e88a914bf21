"""Characters that a text brings along when it is pasted from a chat or a document, and what they spoil."""

from __future__ import annotations

from typing import Final

from bridge.core.suggestions import quote

CURLY: Final = "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a"
STRAIGHT: Final = dict.fromkeys(map(ord, CURLY[:5]), '"') | dict.fromkeys(map(ord, CURLY[5:]), "'")
SPACES: Final = "\u00a0\u2007\u202f\u3000\u2003\u2002\u2009"
INVISIBLE: Final = "\u200b\u2060\ufeff\u00ad"
_BLANKS: Final = dict.fromkeys(map(ord, SPACES), " ") | dict.fromkeys(map(ord, INVISIBLE), "")


def odd_character(text: str) -> str:
    """What is wrong with an unquoted text that was pasted from a chat or a document, or ""."""
    if text.isascii():
        return ""
    if text[0] in CURLY:
        return f'{quote(text)} stands in curly quotes, pasted from a chat or document; use straight ones: "…"'
    return odd_space(text)


def odd_space(text: str) -> str:
    """What is wrong with the spaces of a text, quoted or not, or ""."""
    for c in text:
        if c in SPACES:
            return (
                f"{quote(text.translate(_BLANKS).strip())} holds a non-breaking space (U+{ord(c):04X}), "
                "pasted from a chat or document; type an ordinary space"
            )
        if c in INVISIBLE:
            shown = quote(text.translate(_BLANKS))
            return f"{shown} holds an invisible character (U+{ord(c):04X}); type it anew"
    return ""


def straighten(text: str) -> str:
    """The text without what `odd_character` complains about."""
    text = text.translate(_BLANKS)
    return text.strip(CURLY).strip() if text and text[0] in CURLY else text.strip()
