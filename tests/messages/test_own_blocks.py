"""Blocks of an admin's own on bookings that say more, or less, than the samples they were checked with."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.messages.messages import Rendered, render, trial
from tests.messages import building
from tests.messages.slack_limits import assert_sendable

LONG = "Alice " * 150
NAME = "{{ booking.booker.name }}"
TOPIC = "{{ booking.answers['Topic'] }}"
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "Hello"}}


def _button(text: str = NAME, url: str = "https://x.example/{{ booking.id }}", **more: str) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": text}, "url": url, **more}


def _rich(text: str) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


def _rendered(*blocks: dict[str, Any], mention: str = "none", **data: Any) -> Rendered:
    """The message of these blocks, which must be good ones and no fallback."""
    rules = building.rules(messages={"own": {"blocks": list(blocks)}})
    assert trial(rules.messages["own"], rules) == []
    rendered = render(building.scene(**data), rules, message="own", mention=mention)
    assert rendered.problem == ""
    assert_sendable(rendered, mentions=("<!here>",))
    return rendered


@pytest.mark.parametrize(
    ("block", "longest"),
    [
        ({"type": "actions", "elements": [_button()]}, 75),
        ({"type": "actions", "elements": [_button("Go", accessibility_label=NAME)]}, 75),
        ({**SECTION, "accessory": _button()}, 75),
        ({"type": "header", "text": {"type": "plain_text", "text": NAME}}, 150),
        ({"type": "section", "fields": [{"type": "plain_text", "text": TOPIC}]}, 2_000),
        ({"type": "image", "image_url": "https://x.example/a", "alt_text": TOPIC}, 2_000),
        (
            {
                "type": "image",
                "image_url": "https://x.example/a",
                "alt_text": "a",
                "title": {"type": "plain_text", "text": TOPIC},
            },
            2_000,
        ),
        ({"type": "context", "elements": [{"type": "mrkdwn", "text": TOPIC}]}, 3_000),
        (_rich(TOPIC), 3_000),
    ],
)
def test_what_is_too_long_is_cut_to_its_place(block: dict[str, Any], longest: int) -> None:
    """A long name or answer never costs the admin's message."""
    booker = {"name": LONG, "email": "alice@example.com"}
    answers = [{"label": "Topic", "value": "word " * 1_500}]
    rendered = _rendered(SECTION, block, booker=booker, answers=answers)
    cut = [text for text in building.strings(rendered.blocks) if text.endswith("…")]
    assert [longest - 6 <= len(text) <= longest for text in cut] == [True]


def test_long_rich_text_is_shortened_before_a_block_is_left_off() -> None:
    """Rich text gives way as other texts do, and the message says where the rest is."""
    answers = [{"label": "Topic", "value": "word " * 1_500}]
    rendered = _rendered(*[_rich(TOPIC)] * 4, answers=answers)
    assert [block["type"] for block in rendered.blocks] == ["rich_text"] * 4 + ["context"]
    assert "Shortened; see all of it" in "".join(building.strings(rendered.blocks[-1]))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "actions", "elements": [_button("Join", "{{ booking.location.url }}")]},
        {"type": "actions", "elements": [_button(TOPIC)]},
        {"type": "image", "image_url": "{{ booking.location.url }}", "alt_text": "A picture"},
        {"type": "header", "text": {"type": "plain_text", "text": f" {TOPIC} "}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": TOPIC}]},
        _rich(TOPIC),
    ],
)
def test_what_a_booking_does_not_have_is_left_off(block: dict[str, Any]) -> None:
    """A button without words or address and the like, which Slack refuses, and with it the message."""
    rendered = _rendered(SECTION, block, answers=[], location={"type": "PHONE"})
    assert [each["type"] for each in rendered.blocks] == ["section"]


def test_parts_of_a_block_are_left_off_alone() -> None:
    """An accessory, a title and a description that are not there leave their block."""
    image = {"type": "image", "image_url": "https://x.example/a", "alt_text": TOPIC}
    titled = {**image, "title": {"type": "plain_text", "text": TOPIC}}
    accessory = {**SECTION, "accessory": _button("Join", "{{ booking.location.url }}")}
    rendered = _rendered(titled, accessory, answers=[], location={"type": "PHONE"})
    assert rendered.blocks[0] == {**image, "alt_text": "no description"}
    assert "accessory" not in rendered.blocks[1]


def test_a_mention_is_never_cut_off() -> None:
    """However much the blocks say: in the text, which stands alone where blocks are refused, and in them."""
    answers = [{"label": "Topic", "value": "word " * 1_500}]
    rendered = _rendered(*[_rich(TOPIC)] * 4, mention="here", answers=answers)
    assert rendered.text.endswith("For <!here>")
    assert "Shortened; see all of it" in rendered.text
    assert "For <!here>" in building.strings(rendered.blocks[0])


def test_as_many_blocks_as_slack_takes_and_a_mention() -> None:
    """The mention finds its place, and the message says that something is missing."""
    assert len(_rendered(*[SECTION] * 50).blocks) == 50
    rendered = _rendered(*[SECTION] * 50, mention="here")
    assert len(rendered.blocks) == 50
    assert "Shortened; see all of it" in "".join(building.strings(rendered.blocks[-1]))


@pytest.mark.parametrize("parts", [{"body": TOPIC}, {"fields": {"Topic": TOPIC}}])
def test_a_long_value_of_a_message_says_where_the_rest_is(parts: dict[str, Any]) -> None:
    """It is cut at its place's limit, though the message as a whole has room."""
    rules = building.rules(messages={"own": {"title": "Hello", **parts}})
    short, long = (
        render(building.scene(answers=[{"label": "Topic", "value": "word " * n}]), rules, message="own")
        for n in (50, 700)
    )
    assert "Shortened" not in "".join(building.strings(building.blocks(short)))
    assert "Shortened; see all of it" in "".join(building.strings(building.blocks(long)))
    assert_sendable(long)
