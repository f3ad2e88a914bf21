"""A message is tried before it is used: what Slack or a booking would refuse is found by `check`."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.bookings import EVENT_KINDS
from bridge.core.messages.messages import render, trial
from bridge.core.messages.samples import samples
from tests.messages import building
from tests.messages.slack_limits import assert_sendable

TEXT = {"type": "mrkdwn", "text": "x"}
PLAIN = {"type": "plain_text", "text": "x"}
IMAGE = {"type": "image", "image_url": "https://x.example/y.png", "alt_text": "y"}
BUTTON = {"type": "button", "text": PLAIN, "url": "https://x.example/"}


def rich(*elements: Any) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [section]}


def test_samples_are_one_of_each_event() -> None:
    """All seven events, with and without a former state, with and without everything."""
    scenes = samples()
    assert {scene.event.name for scene in scenes} == set(EVENT_KINDS)
    assert {scene.previous is None for scene in scenes} == {True, False}
    assert {bool(scene.booking.answers) for scene in scenes} == {True, False}
    for scene in scenes:
        assert_sendable(render(scene, building.rules()))


GOOD: list[dict[str, Any]] = [
    {"title": "{{ event.verb }}", "body": "{{ booking.hosts | mention }}", "footer": "{{ previous | when }}"},
    {"fields": {"Topic": "{{ booking.answers.Topic }}"}, "links": {"Open": "{{ booking.location.url }}"}},
    {"blocks": [{"type": "section", "text": TEXT, "accessory": IMAGE, "expand": True, "block_id": "b"}]},
    {"blocks": [{"type": "section", "fields": [TEXT, PLAIN]}, {"type": "divider"}, IMAGE]},
    {"blocks": [{"type": "context", "elements": [TEXT, IMAGE, PLAIN]}]},
    {"blocks": [{"type": "actions", "elements": [BUTTON, {**BUTTON, "style": "danger"}]}]},
    {"blocks": [rich({"type": "text", "text": "{{ booking }}", "style": {"bold": True}})]},
    {"blocks": [rich({"type": "emoji", "name": "x"}), {"type": "header", "text": PLAIN}]},
    {"blocks": [{"type": "section", "text": {**TEXT, "text": "{{ previous.status }}"}}, IMAGE]},
]  # fmt: skip


@pytest.mark.parametrize("parts", GOOD, ids=str)
def test_good_messages(parts: dict[str, Any]) -> None:
    """What Slack takes is taken, and renders on every event without falling back."""
    rules = building.rules(messages={"sales": parts})
    assert trial(rules.messages["sales"], rules) == []
    for scene in samples():
        rendered = render(scene, rules, message="sales", mention="here")
        problem = rendered.problem and scene.event.name != "declined"
        assert not problem


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"title": "x" * 151}, "title", "151 characters, Slack takes 150"),
    ({"body": "x" * 3_001}, "body", "3,001 characters, Slack takes 3,000"),
    ({"fields": {"L": "x" * 2_000}}, "fields.L", "2,000 characters, Slack takes 1,996"),
    ({"fields": {"": "x"}}, "fields.", "a label has 1 to 200 characters"),
    ({"footer": "{{ booking.type + 1 }}"}, "footer", "+ works on numbers; texts are joined with ~"),
    ({"body": "{{ booking.type | when }}"},
     "body", "when needs a booking or a time: booking | when, booking.start | when"),
    ({"body": "{{ booking.hosts | mention | upper }}"}, "body", "this filter changes text, not links"),
    ({"links": {"Open": "example.com/{{ booking.id }}"}},
     "links.Open", "'example.com/665f00000000000000000009' is not"),
    ({"links": {"Open": "{{ 1 / 0 }}"}}, "links.Open", "a division by zero"),
    ({"blocks": []}, "blocks", "expected a list with something in it"),
    ({"blocks": [{"type": "sectoin", "text": TEXT}]},
     "blocks[0].type", "block 'sectoin' cannot be used in messages (did you mean 'section'?)"),
    ({"blocks": [{"text": TEXT}]}, "blocks[0]", "expected a block with a 'type'"),
    ({"blocks": [{"type": "section"}]}, "blocks[0]", "needs 'text' or 'fields'"),
    ({"blocks": [{"type": "section", "txt": TEXT, "fields": [TEXT]}]},
     "blocks[0].txt", "unknown key 'txt' (did you mean 'text'?)"),
    ({"blocks": [{"type": "header", "text": TEXT}]},
     "blocks[0].text", "expected a text object of type plain_text"),
    ({"blocks": [{"type": "header", "text": "x"}]},
     "blocks[0].text", "expected a text object of type plain_text, such as {type: plain_text, text: …}"),
    ({"blocks": [{"type": "divider", "block_id": "a"}, {"type": "section", "text": TEXT, "block_id": "a"}]},
     "blocks[1].block_id", "another block of this message has the id 'a'"),
    ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": 5}}]},
     "blocks[0].text.text", "expected text"),
    ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
     "blocks[0].text.text", "151 characters"),
    ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": " "}}]},
     "blocks[0].text.text", "expected text, got nothing"),
    ({"blocks": [{"type": "section", "fields": [TEXT] * 11}]},
     "blocks[0].fields", "11 items, Slack takes 10"),
    ({"blocks": [{"type": "context", "elements": [BUTTON]}]},
     "blocks[0].elements[0]", "expected a text object"),
    ({"blocks": [{"type": "context", "elements": []}]},
     "blocks[0].elements", "expected a list with something in it"),
    ({"blocks": [{"type": "image", "image_url": "https://x.example/"}]}, "blocks[0]", "needs 'alt_text'"),
    ({"blocks": [{**IMAGE, "image_url": "javascript:alert(1)"}]},
     "blocks[0].image_url", "expected an http or https address"),
    ({"blocks": [{"type": "actions", "elements": [{"type": "button", "text": PLAIN}]}]},
     "blocks[0].elements[0]", "needs 'url'"),
    ({"blocks": [{"type": "actions", "elements": [{**BUTTON, "style": "bold"}]}]},
     "blocks[0].elements[0].style", "expected primary or danger"),
    ({"blocks": [{"type": "input"}]}, "blocks[0].type", "block 'input' cannot be used in messages"),
    ({"blocks": [rich({"type": "user", "user_id": "U012AB3CD"})]},
     "blocks[0].elements[0].elements[0].type", "rich text element 'user' cannot"),
    ({"blocks": [rich({"type": "broadcast", "range": "here"})]},
     "blocks[0].elements[0].elements[0].type", "rich text element 'broadcast'"),
    ({"blocks": [{"type": "divider"}] * 51}, "blocks", "51 items, Slack takes 50"),
    ({"blocks": [{"type": "section", "text": {**TEXT, "text": "x" * 2_900}}] * 4},
     "blocks", "11,881 characters together"),
    ({"blocks": {"type": "divider"}}, "blocks", "expected a list of blocks"),
    ({"blocks": ["x"]}, "blocks", "expected a list of blocks"),
    ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "{{ booking.type + 1 }}"}}]},
     "blocks[0].text.text", "+ works on numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "path", "words"), BAD, ids=lambda value: str(value)[:50])
def test_bad_messages(parts: dict[str, Any], path: str, words: str) -> None:
    """Each problem has its path within the message, once, and the message falls back when it is used."""
    rules = building.rules(messages={"sales": parts})
    found = trial(rules.messages["sales"], rules)
    assert [where for where, _ in found] == [path]
    assert found[0][1].startswith(words)
    for scene in samples():
        assert_sendable(render(scene, rules, message="sales"), mentions=("<@U012AB3CD>",))


def test_blocks_too_deep() -> None:
    """Nesting without end is a problem, not a crash."""
    deep: Any = []
    for _ in range(40):
        deep = [deep]
    rules = building.rules(messages={"sales": {"blocks": deep}})
    assert trial(rules.messages["sales"], rules) == [("blocks", "too many blocks within blocks")]


def test_what_comes_out_empty_is_left_out() -> None:
    """Slack refuses empty texts, so a block that says nothing on this booking is not sent."""
    empty = {"type": "mrkdwn", "text": "{{ booking.answers.Nope }}"}
    blocks = [
        {"type": "section", "text": empty, "fields": [empty, TEXT]},
        {"type": "context", "elements": [empty]},
        rich({"type": "text", "text": "{{ booking.answers.Nope }}"}),
        {"type": "header", "text": {"type": "plain_text", "text": "{{ booking.answers.Nope }}"}},
    ]
    rules = building.rules(messages={"sales": {"blocks": blocks}})
    rendered = render(building.scene(), rules, message="sales")
    assert rendered.blocks == [{"type": "section", "fields": [{**TEXT, "verbatim": True}]}]
    assert rendered.text == "x"


def test_a_message_that_says_nothing_falls_back() -> None:
    """A notification is never lost to formatting."""
    rules = building.rules(messages={"sales": {"title": "{{ booking.answers.Nope }}"}})
    rendered = render(building.scene(), rules, message="sales")
    assert rendered.problem == "messages.sales.title: the message is empty"
    assert "Intro Call with Alice Booker" in rendered.text


@pytest.mark.no_cover  # it takes long, and its code is covered by cases
def test_an_admin_s_largest_message_still_fits() -> None:
    """Many fields, long body, quotes that swell in JSON: cut to what Slack takes, and said to be."""
    parts = {
        "title": "t" * 150,
        "body": '"\n&' * 600 + "b" * 900,
        "fields": {f"Field {n}": "\"'" * 400 for n in range(300)},
        "footer": "f" * 1_000,
        "links": {f"Link {n} " + "l" * 150: "https://x.example/" + "a" * 500 for n in range(30)},
    }
    rules = building.rules(messages={"sales": parts})
    for colour in ("", "teal"):
        scene = building.scene(type_={"_id": "type1", "color": colour})
        rendered = render(scene, rules, message="sales", mention="channel")
        assert rendered.problem == ""
        assert_sendable(rendered, mentions=("<!channel>",))
        assert "Shortened" in rendered.text
