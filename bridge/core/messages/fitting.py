"""Slack's limits on messages, and making blocks keep them.

The numbers are those of docs.slack.dev/reference/block-kit; the cumulative one is not documented but
seen (github.com/slackapi/bolt-js/issues/2509 and 2867), so a tenth of it stays unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from bridge.core.json_body import as_json
from bridge.core.messages.escaping import cut, cut_plain, disarm, plain_size, size
from bridge.core.messages.scenes import Json

BLOCKS: Final = 50
ATTACHED_BLOCKS: Final = 20
ROOM: Final = 10_800
"""Characters of JSON that the blocks of a message may take together."""
TEXT: Final = 4_000
HEADER: Final = 150
SECTION: Final = 3_000
FIELD: Final = 2_000
FIELDS: Final = 10
ELEMENTS: Final = 10
_SHORTEST: Final = 40


def plain(text: str, limit: int, *, emoji: bool = False) -> Json:
    """A plain_text object, cut to `limit`: nothing in it is ever interpreted but emoji codes."""
    return {"type": "plain_text", "text": cut_plain(disarm(text), limit), "emoji": emoji}


def mrkdwn(text: str, limit: int) -> Json:
    """A mrkdwn object, cut to `limit`, in which Slack looks for no names and addresses by itself."""
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


def header(text: str) -> Json:
    return {"type": "header", "text": plain(text, HEADER, emoji=True)}


def section(text: Json) -> Json:
    return {"type": "section", "text": text}


def fields(texts: Iterable[str]) -> list[Json]:
    """Sections of up to ten short mrkdwn texts, which Slack shows in two columns."""
    made = [mrkdwn(text, FIELD) for text in texts]
    return [{"type": "section", "fields": made[i : i + FIELDS]} for i in range(0, len(made), FIELDS)]


def context(*elements: Json) -> Json:
    return {"type": "context", "elements": list(elements)}


def weight(value: object) -> int:
    """How much of `ROOM` a JSON value takes."""
    return size(as_json(value))


def texts(value: object) -> Iterator[Json]:
    """Every text object, and every text of rich text, within a JSON value."""
    if isinstance(value, dict):
        if value.get("type") in {"mrkdwn", "plain_text", "text"} and isinstance(value.get("text"), str):
            yield value
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def fit(blocks: list[Json], most: int = BLOCKS, room: int = ROOM) -> bool:
    """Shorten blocks in place until they fit; True when something had to go.

    The longest texts are cut to at least half, again and again; then blocks are left off from the end.
    """
    shortened = len(blocks) > most
    del blocks[most:]
    while (excess := weight(blocks) - room) > 0:
        shortened = True
        longest = max((_length(found) for found in texts(blocks)), default=0)
        if longest <= _SHORTEST:
            del blocks[-1]
        ceiling = max(longest - excess - 1, longest // 2, _SHORTEST)
        for found in texts(blocks):
            if _length(found) > ceiling:
                found["text"] = (cut if found["type"] == "mrkdwn" else cut_plain)(str(found["text"]), ceiling)
    return shortened


def _length(found: Json) -> int:
    return (size if found["type"] == "mrkdwn" else plain_size)(str(found["text"]))
