"""Text for Slack: escaping, harmless marks, and cuts that never leave half a thing behind.

Slack's rules are at docs.slack.dev/messaging/formatting-message-text. Escaping three characters stops
mentions and links; it does not stop `*bold*`, a quote or an emoji code, for which Slack has no escape.
So `inline` puts look-alikes in the place of marks that could start or end formatting: a look-alike is
certain to be inert, which nobody documents of zero-width characters. Marks inside a word
(`first_last@example.com`, `2*3`) do not format in Slack and stay as typed, so addresses can be copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

ELLIPSIS: Final = "…"

_SPECIAL: Final = re.compile(r"[&<>*_~`:]")
_MARKS: Final = re.compile(r"(?<![A-Za-z0-9])[*_~]|[*_~](?![A-Za-z0-9])|`")
_LOOK_ALIKES: Final = {"*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb"}
_QUOTE: Final = re.compile(r"^([^\S\n]*)>", re.MULTILINE)
_EMOJI: Final = re.compile(r":(?=(?:[a-z0-9_+'-]{0,80}[a-z+-][a-z0-9_+'-]{0,80}|100|1234):)", re.IGNORECASE)
_SEQUENCE: Final = re.compile(r"<(?=[!@#/A-Za-z])")
_JOINER: Final = "\u2060"
_TOKEN: Final = re.compile(r"<[^<>]*>|&(?:amp|lt|gt);|.", re.DOTALL)
_TAIL: Final = " \t\n,\u200d\ufe0f"


def escape(text: str) -> str:
    """The text with Slack's three characters as entities; nothing else may be encoded."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The inverse of `escape`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def break_emoji(text: str) -> str:
    """The text with an invisible joiner in every `:code:`, which then stays text."""
    return _EMOJI.sub(":" + _JOINER, text) if ":" in text else text


def disarm(text: str) -> str:
    """Text for a plain_text object, in which nothing looks like a `<…>` sequence to anyone.

    Slack interprets nothing in plain_text; the look-alike guards against a client that does.
    """
    return _SEQUENCE.sub("\u2039", text) if "<" in text else text


def inline(text: str) -> str:
    """Somebody's text for a mrkdwn object or the top-level text: escaped, and unable to format."""
    if not _SPECIAL.search(text):
        return text
    text = _QUOTE.sub("\\1\u203a", text) if ">" in text else text
    return escape(break_emoji(_MARKS.sub(lambda mark: _LOOK_ALIKES[mark[0]], text)))


def size(text: str) -> int:
    """Length in UTF-16 code units, the largest of the units that Slack may be counting in."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def plain_size(text: str) -> int:
    """Like `size`, for text that Slack may escape before it counts."""
    return size(text) + 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))


def cut(text: str, limit: int) -> str:
    """mrkdwn of at most `limit` characters, cut with an ellipsis between entities and `<…>` sequences."""
    if 2 * len(text) <= limit or size(text) <= limit:
        return text
    return _cut(((token[0], size(token[0])) for token in _TOKEN.finditer(text)), limit)


def cut_plain(text: str, limit: int) -> str:
    """Plain text of at most `limit` characters as `plain_size` counts, cut with an ellipsis."""
    if 5 * len(text) <= limit or plain_size(text) <= limit:
        return text
    return _cut(((character, plain_size(character)) for character in text), limit)


def _cut(tokens: Iterable[tuple[str, int]], limit: int) -> str:
    kept: list[str] = []
    room = limit - len(ELLIPSIS)
    for token, cost in tokens:
        room -= cost
        if room < 0:
            break
        kept.append(token)
    return "".join(kept).rstrip(_TAIL) + ELLIPSIS if limit > 0 else ""
