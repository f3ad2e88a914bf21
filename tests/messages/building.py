"""Scenes, rules and messages in few words, for the tests of rendering."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from bridge.core.bookings import Directory
from bridge.core.messages.messages import Rendered, Scene
from bridge.core.messages.templates import Message, compile_template
from bridge.core.reading import read_booking, read_event, read_member, read_type
from bridge.core.rules.rules import Look, Rules, RuleSettings, Show
from bridge.core.text import fold
from tests.payloads import document

SLACK_USER = "U012AB3CD"
MEMBERS = [
    {"_id": "host1", "name": "Ana Lima", "email": "ana@example.com"},
    {"_id": "host2", "name": "Ben Okafor", "email": "ben@example.com"},
]


def scene(
    event: str = "booking.confirmed",
    *,
    previous: Mapping[str, Any] | None = None,
    type_: Mapping[str, Any] | None = None,
    scene: Mapping[str, Any] | None = None,
    **data: Any,
) -> Scene:
    """A scene of one event; keyword arguments replace fields of its data, `scene` parts of the scene."""
    happened = read_event(json.dumps(document(event, **data)).encode())
    parts: dict[str, Any] = {
        "previous": read_booking(previous) if previous is not None else None,
        "type": read_type(type_) if type_ is not None else None,
        "directory": Directory(map(read_member, MEMBERS)),
        "mentions": {"ana@example.com": SLACK_USER},
        "rule": "sales",
    }
    return Scene(happened, happened.booking, **{**parts, **(scene or {})})


def rules(
    *,
    zone: str = "Europe/London",
    show: Mapping[str, bool] | None = None,
    messages: Mapping[str, Mapping[str, Any]] | None = None,
    types: Mapping[str, Mapping[str, str]] | None = None,
) -> Rules:
    """Rules as their file would give them, the messages in its form."""
    return Rules(
        settings=RuleSettings(ZoneInfo(zone), None, Show(**(show or {}))),
        types={fold(name): Look(**look) for name, look in (types or {}).items()},
        messages={name: message(name, **parts) for name, parts in (messages or {}).items()},
    )


def message(name: str = "sales", **parts: Any) -> Message:
    """A message of rules.yaml, compiled."""
    made: dict[str, Any] = {
        key: templates(value) if key in {"title", "body", "footer", "blocks"} else _pairs(value)
        for key, value in parts.items()
    }
    return Message(name, **made)


def templates(value: object) -> object:
    """A JSON-like value with every string compiled."""
    if isinstance(value, str):
        return compile_template(value)
    if isinstance(value, list):
        return [templates(item) for item in value]
    return {key: templates(item) for key, item in value.items()} if isinstance(value, dict) else value


def _pairs(value: Mapping[str, str]) -> tuple[tuple[str, object], ...]:
    return tuple((label, compile_template(source)) for label, source in value.items())


def as_json(rendered: Rendered) -> dict[str, Any]:
    """What would be sent, and the problem if there is one."""
    sent = {"text": rendered.text, "blocks": rendered.blocks, "attachments": rendered.attachments}
    return {**sent, "problem": rendered.problem} if rendered.problem else sent


def blocks(rendered: Rendered) -> list[Any]:
    """All blocks, those in the attachment last."""
    attached = [block for attachment in rendered.attachments for block in _blocks_of(attachment)]
    return [*rendered.blocks, *attached]


def _blocks_of(attachment: Mapping[str, object]) -> list[Any]:
    found = attachment["blocks"]
    assert isinstance(found, list)
    return found


def text_objects(value: object) -> Iterator[dict[str, Any]]:
    """Every text object within blocks."""
    if isinstance(value, dict):
        if value.get("type") in {"mrkdwn", "plain_text"}:
            yield value
        for item in value.values():
            yield from text_objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from text_objects(item)


def strings(value: object) -> Iterator[str]:
    """Every string that a reader may see, of blocks and attachments."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in {"type", "color", "style", "block_id"}:
                yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def everything(rendered: Rendered) -> str:
    """All that a reader may see or hear, one string a line."""
    return "\n".join([rendered.text, *strings(rendered.blocks), *strings(rendered.attachments)])
