"""Slack's rules for a message, written a second time from docs.slack.dev, and slack_sdk's own checks."""

from __future__ import annotations

import json
import re
from typing import Any

from slack_sdk.models.attachments import Attachment
from slack_sdk.models.blocks import Block

from bridge.core.messages.messages import Rendered
from tests.messages.building import blocks, text_objects

_LONGEST = {"section": 3_000, "header": 150, "context": 3_000, "actions": 75, "image": 2_000}
_TOKEN = re.compile(r"<[^<>]*>")
_SAFE_TOKEN = re.compile(
    r"<(?:!date\^\d+\^[^<>|^]+\|[^<>|]+|https?://[^\s<>|]+(?:\|[^<>|]+)?|mailto:[^\s<>|]+\|[^<>|]+"
    r"|@[UW][A-Z0-9]+|!here|!channel|!subteam\^S[A-Z0-9]+)>"
)


def assert_sendable(rendered: Rendered, *, mentions: tuple[str, ...] = ()) -> None:
    """Fail unless Slack takes the message as it is and nothing in it mentions but `mentions`."""
    found = blocks(rendered)
    assert 1 <= utf16(rendered.text) <= 4_000
    assert_safe(rendered.text, mentions)
    assert "<!date" not in rendered.text
    assert len(found) <= 50
    assert all(len(a["blocks"]) <= 20 for a in rendered.attachments if isinstance(a["blocks"], list))
    assert utf16(json.dumps(found, ensure_ascii=False)) <= 12_000
    for block in found:
        assert_block(block, mentions)
    for attachment in rendered.attachments:
        assert re.fullmatch("#[0-9A-F]{6}", str(attachment["color"]))
        parsed = Attachment(text="x", color=str(attachment["color"]))
        assert parsed.to_dict()["color"] == attachment["color"]
        assert_safe(str(attachment["fallback"]), mentions)


def assert_block(block: dict[str, Any], mentions: tuple[str, ...] = ()) -> None:
    """Fail unless this block has a shape and sizes that Slack takes."""
    parsed = Block.parse(block)
    assert parsed is not None
    assert parsed.to_dict()["type"] == block["type"]
    for field in block.get("fields", []):
        assert utf16(field["text"]) <= 2_000
    assert len(block.get("fields", [])) <= 10
    assert len(block.get("elements", [])) <= 10
    for found in text_objects(block):
        assert 1 <= utf16(found["text"]) <= _LONGEST[block["type"]]
        if found["type"] == "mrkdwn":
            assert found["verbatim"] is True
            assert_safe(found["text"], mentions)
        else:
            assert not re.search(r"<[!@#]", found["text"])


def assert_safe(mrkdwn: str, mentions: tuple[str, ...] = ()) -> None:
    """Fail unless every `<` opens a whole sequence of ours, and every mention is expected."""
    for token in _TOKEN.findall(mrkdwn):
        assert _SAFE_TOKEN.fullmatch(token), token
        if re.match("<(?:@|!here|!channel|!subteam)", token):
            assert token in mentions, token
    rest = _TOKEN.sub("", mrkdwn)
    assert "<" not in rest
    assert ">" not in rest
    assert not re.search(r"&(?!amp;|lt;|gt;)", mrkdwn)


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
