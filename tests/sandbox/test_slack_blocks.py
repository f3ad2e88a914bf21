"""What Block Kit refuses, in Slack's words."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_blocks import attachment_problems, block_problems, metadata_error

from .calls import error, refusal


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mark(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, **more}


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": mark(text), **more}


GOOD: list[dict[str, Any]] = [
    {"type": "header", "text": {**plain("h" * 150), "emoji": True}, "block_id": "a"},
    section("s" * 3000, expand=True),
    {"type": "section", "fields": [mark("f" * 100, verbatim=True)] * 10},
    {"type": "divider"},
    {
        "type": "context",
        "elements": [mark("c"), {"type": "image", "image_url": "https://x", "alt_text": "x"}],
    },
    {
        "type": "actions",
        "elements": [{"type": "button", "text": plain("Go"), "url": "https://x", "style": "primary"}],
    },
    {"type": "image", "image_url": "https://x", "alt_text": "x", "title": plain("t")},
    {"type": "markdown", "text": "# hi"},
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "text", "text": "a", "style": {"bold": True}},
                    {"type": "user", "user_id": "U1"},
                    {"type": "date", "timestamp": 1, "format": "{date}"},
                ],
            }
        ],
    },
]

BAD: dict[str, tuple[Any, str]] = {
    "an unknown type": ({"type": "headline"}, "unsupported type: headline [json-pointer:/blocks/0/type]"),
    "no type": ({"text": "x"}, "missing required field: type [json-pointer:/blocks/0]"),
    "no object": ("x", "must provide an object [json-pointer:/blocks/0]"),
    "a long header": (
        {"type": "header", "text": plain("h" * 151)},
        "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
    ),
    "a header in mrkdwn": (
        {"type": "header", "text": mark("h")},
        "unsupported type: mrkdwn [json-pointer:/blocks/0/text/type]",
    ),
    "a long section": (
        section("s" * 3001),
        "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
    ),
    "an empty text": (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "an empty section": (
        {"type": "section"},
        "missing required field: text or fields [json-pointer:/blocks/0]",
    ),
    "eleven fields": (
        {"type": "section", "fields": [mark("f")] * 11},
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    "a long field": (
        {"type": "section", "fields": [mark("f"), mark("f" * 2001)]},
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/1/text]",
    ),
    "an empty context": (
        {"type": "context", "elements": []},
        "no fewer than 1 items allowed [json-pointer:/blocks/0/elements]",
    ),
    "a word for verbatim": (
        {"type": "context", "elements": [mark("c", verbatim="yes")]},
        "must be a boolean [json-pointer:/blocks/0/elements/0/verbatim]",
    ),
    "emoji in mrkdwn": (
        {"type": "context", "elements": [mark("c", emoji=True)]},
        "invalid additional property: emoji [json-pointer:/blocks/0/elements/0]",
    ),
    "a divider with text": (
        {"type": "divider", "text": "x"},
        "invalid additional property: text [json-pointer:/blocks/0]",
    ),
    "a button without a label": (
        {"type": "actions", "elements": [{"type": "button", "url": "https://x"}]},
        "missing required field: text [json-pointer:/blocks/0/elements/0]",
    ),
    "a long block_id": (
        {"type": "divider", "block_id": "b" * 256},
        "must be less than 256 characters [json-pointer:/blocks/0/block_id]",
    ),
}


def test_what_is_within_the_limits_is_fine() -> None:
    """Each kind of block, at its limits."""
    assert block_problems(GOOD) == []


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_is_named_with_its_place(case: str) -> None:
    """One mistake, one message with a JSON pointer."""
    block, problem = BAD[case]
    assert block_problems([block]) == [problem]


async def test_refusal_of_blocks(client: AsyncWebClient) -> None:
    """invalid_blocks carries all reasons where Slack puts them."""
    body = await refusal(
        client.chat_postMessage(channel="#sales", text="x", blocks=[{"type": "x"}, section("")])
    )
    assert body["error"] == "invalid_blocks"
    assert body["response_metadata"]["messages"] == [
        "[ERROR] unsupported type: x [json-pointer:/blocks/0/type]",
        "[ERROR] must be more than 0 characters [json-pointer:/blocks/1/text/text]",
    ]


async def test_limits_of_the_whole_message(client: AsyncWebClient) -> None:
    """50 blocks, 12,000 characters together, block ids that differ, 100 attachments."""

    async def post(**content: Any) -> str:
        return await error(client.chat_postMessage(channel="#sales", text="x", **content))

    assert await post(blocks=[{"type": "divider"}] * 51) == "invalid_blocks"
    assert await post(blocks=[section("s" * 3000)] * 5) == "msg_blocks_too_long"
    assert await post(blocks=[{"type": "divider", "block_id": "a"}] * 2) == "invalid_blocks"
    assert await post(blocks={"type": "divider"}) == "invalid_blocks_format"
    assert await post(attachments=[{"text": "a"}] * 101) == "too_many_attachments"
    assert await post(attachments=[{"color": "red"}]) == "invalid_attachments"
    assert await post(attachments=[{"blocks": [{"type": "divider"}] * 21}]) == "invalid_attachments"
    assert await post(metadata={"event_type": "x"}) == "invalid_metadata_format"


def test_attachments_and_metadata() -> None:
    """Colours by name or in six digits; metadata with a type, a payload, and a size."""
    assert attachment_problems([{"color": "#4F46E5", "blocks": GOOD[:1]}, {"color": "danger"}]) == []
    assert attachment_problems([{"colour": "good"}])
    good = {"event_type": "booking", "event_payload": {"id": "1"}}
    assert metadata_error(good) is None
    assert metadata_error({**good, "extra": 1}) == "invalid_metadata_schema"
    assert metadata_error({**good, "event_payload": {"id": "x" * 8000}}) == "metadata_too_large"
    assert metadata_error("booking") == "invalid_metadata_format"


async def test_without_strictness_nothing_is_looked_at(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """For speed, a benchmark may post anything."""
    slack.workspace.strict = False
    assert (await client.chat_postMessage(channel="#sales", text="x", blocks=[{"type": "x"}]))["ok"]
