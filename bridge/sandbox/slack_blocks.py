"""Block Kit's rules: what Slack would refuse in blocks, attachments and metadata, and in which words.

Sources: docs.slack.dev "Block Kit" and its reference pages on blocks, block elements and the text
object; the cumulative cap of 12,000 characters from the thread slackapi/bolt-js#2509. Lengths are
counted in code points, of the text as sent. Interactive elements other than buttons are not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bridge.sandbox.slack_shapes import Check, by_type, flag, items, number, one_of, say, shape, text

MAX_BLOCKS = 50
MAX_ATTACHMENTS = 100
MAX_ATTACHED_BLOCKS = 20
MAX_CHARACTERS = 12_000
MAX_METADATA = 8_000
"""Bytes of metadata as JSON. Slack has a cap and does not publish it: this one is ours."""


def plain(limit: int) -> Check:
    """A plain_text object."""
    return by_type({"plain_text": shape({"text": text(limit)}, {"emoji": flag})})


def any_text(limit: int) -> Check:
    """A plain_text or mrkdwn object."""
    return by_type(
        {
            "plain_text": shape({"text": text(limit)}, {"emoji": flag}),
            "mrkdwn": shape({"text": text(limit)}, {"verbatim": flag}),
        }
    )


_ID = text(255)
_STYLE = shape({}, {"bold": flag, "italic": flag, "strike": flag, "code": flag, "underline": flag})
_CONFIRM = shape(
    {"title": plain(100), "text": any_text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)
_BUTTON = shape(
    {"text": plain(75)},
    {
        "action_id": _ID,
        "url": text(3000),
        "value": text(2000),
        "style": one_of("primary", "danger"),
        "confirm": _CONFIRM,
        "accessibility_label": text(75),
    },
)
_IMAGE_ELEMENT = shape({"image_url": text(3000), "alt_text": text(2000)})
_LEAF = by_type(
    {
        "text": shape({"text": text(12_000)}, {"style": _STYLE}),
        "link": shape({"url": text(3000)}, {"text": text(12_000), "style": _STYLE, "unsafe": flag}),
        "emoji": shape({"name": text(255)}, {"unicode": text(255), "style": _STYLE}),
        "date": shape(
            {"timestamp": number, "format": text(255)}, {"url": text(3000), "fallback": text(2000)}
        ),
        "user": shape({"user_id": text(20)}, {"style": _STYLE}),
        "usergroup": shape({"usergroup_id": text(20)}, {"style": _STYLE}),
        "channel": shape({"channel_id": text(20)}, {"style": _STYLE}),
        "broadcast": shape({"range": one_of("here", "channel", "everyone")}, {"style": _STYLE}),
        "color": shape({"value": text(20)}),
    }
)
_LEAVES = items(_LEAF, 1000, 0)
_SECTION = shape({"elements": _LEAVES})
_LIST = shape(
    {"style": one_of("bullet", "ordered"), "elements": items(by_type({"rich_text_section": _SECTION}), 1000)},
    {"indent": number, "offset": number, "border": number},
)
_BORDERED = shape({"elements": _LEAVES}, {"border": number})
_RICH = by_type(
    {
        "rich_text_section": _SECTION,
        "rich_text_list": _LIST,
        "rich_text_preformatted": _BORDERED,
        "rich_text_quote": _BORDERED,
    }
)
_SECTION_BLOCK = shape(
    {},
    {
        "text": any_text(3000),
        "fields": items(any_text(2000), 10),
        "accessory": by_type({"image": _IMAGE_ELEMENT, "button": _BUTTON}),
        "expand": flag,
        "block_id": _ID,
    },
)


def _section(value: Any, at: str, problems: list[str]) -> None:
    if "text" not in value and "fields" not in value:
        say(problems, "missing required field: text or fields", at)
    _SECTION_BLOCK(value, at, problems)


_CONTEXT_ITEM = by_type(
    {
        "image": _IMAGE_ELEMENT,
        "plain_text": shape({"text": text(3000)}, {"emoji": flag}),
        "mrkdwn": shape({"text": text(3000)}, {"verbatim": flag}),
    }
)
_BLOCK = by_type(
    {
        "header": shape({"text": plain(150)}, {"block_id": _ID}),
        "section": _section,
        "divider": shape({}, {"block_id": _ID}),
        "context": shape({"elements": items(_CONTEXT_ITEM, 10)}, {"block_id": _ID}),
        "actions": shape({"elements": items(by_type({"button": _BUTTON}), 25)}, {"block_id": _ID}),
        "image": shape(
            {"image_url": text(3000), "alt_text": text(2000)}, {"title": plain(2000), "block_id": _ID}
        ),
        "markdown": shape({"text": text(12_000)}, {"block_id": _ID}),
        "rich_text": shape({"elements": items(_RICH, 1000)}, {"block_id": _ID}),
    }
)
_ATTACHMENT = shape(
    {},
    dict.fromkeys(
        (
            "fallback",
            "text",
            "pretext",
            "title",
            "title_link",
            "footer",
            "footer_icon",
            "author_name",
            "author_link",
            "author_icon",
            "image_url",
            "thumb_url",
        ),
        text(40_000, 0),
    )
    | {
        "color": lambda value, at, problems: _color(value, at, problems),
        "blocks": items(_BLOCK, MAX_ATTACHED_BLOCKS, 0),
        "fields": items(shape({}, {"title": text(3000, 0), "value": text(3000, 0), "short": flag}), 100),
        "mrkdwn_in": items(text(20), 10, 0),
        "ts": number,
    },
)
_COLOR = re.compile(r"#?[0-9A-Fa-f]{6}|good|warning|danger")


def _color(value: Any, at: str, problems: list[str]) -> None:
    if not isinstance(value, str) or not _COLOR.fullmatch(value):
        say(problems, "must be a valid color", at)


_BLOCKS = items(_BLOCK, MAX_BLOCKS, 0)
_ATTACHMENTS = items(_ATTACHMENT, MAX_ATTACHMENTS, 0)


def block_problems(blocks: Any) -> list[str]:
    """Return why Slack would answer invalid_blocks, in its words; empty when it would not."""
    problems: list[str] = []
    _BLOCKS(blocks, "/blocks", problems)
    if not problems:
        seen: set[str] = set()
        for index, block in enumerate(blocks):
            block_id = block.get("block_id")
            if block_id is not None and block_id in seen:
                say(problems, "block_id must be unique", f"/blocks/{index}/block_id")
            seen.add(block_id)
    return problems


def attachment_problems(attachments: Any) -> list[str]:
    """Return why Slack would answer invalid_attachments."""
    problems: list[str] = []
    _ATTACHMENTS(attachments, "/attachments", problems)
    return problems


def characters(value: Any) -> int:
    """Count the characters people read in blocks: every string under a key `text`, at any depth."""
    if isinstance(value, Mapping):
        return sum(
            len(item) if key == "text" and isinstance(item, str) else characters(item)
            for key, item in value.items()
        )
    if isinstance(value, list):
        return sum(map(characters, value))
    return 0


def metadata_error(metadata: Any) -> str | None:
    """Return Slack's error code for this metadata; None when it is well formed and small enough."""
    if not isinstance(metadata, Mapping):
        return "invalid_metadata_format"
    if metadata.keys() - {"event_type", "event_payload"}:
        return "invalid_metadata_schema"
    event = metadata.get("event_type")
    if not isinstance(event, str) or not event or not isinstance(metadata.get("event_payload"), Mapping):
        return "invalid_metadata_format"
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA:
        return "metadata_too_large"
    return None
