"""The README's pictures: its own examples, rendered as the bridge renders them and shown as Slack does.

`python -m tests.pictures` writes them to docs/; a test proves that they are current.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.core.bookings import (
    Answer,
    Booker,
    Booking,
    BookingType,
    Directory,
    Event,
    Host,
    Location,
    Person,
)
from bridge.core.messages.messages import Rendered, Scene, render, render_reply
from bridge.core.rules.file import load
from bridge.core.rules.rules import Rules
from bridge.sandbox.screen import as_svg
from bridge.sandbox.screen_text import Reader
from bridge.sandbox.slack_records import Content, Edit, Message
from bridge.sandbox.slack_workspace import BOT_USER

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 7, 6, 9, 0, tzinfo=UTC)
PEOPLE = Directory(
    [
        Person("1", "Ana Lima", "ana@example.com", "U0ANA00001"),
        Person("2", "Ben Okafor", "ben@example.com", "U0BEN00002"),
        Person("3", "Chloé Martin", "chloe@example.com", "U0CHLOE003"),
        Person("4", "Dev Patel", "dev@example.com", "U0DEV00004"),
    ]
)
READER = Reader({person.slack: person.name for person in PEOPLE}, UTC, NOW)
TYPES = {"call": BookingType("call", "Intro Call", color="#4F46E5")}


def booking(title: str, type_id: str, name: str, zone: str, answers: dict[str, str], *hosts: str) -> Booking:
    start = NOW + timedelta(days=2, hours=6)
    return Booking(
        id="665f00000000000000000042",
        status="CONFIRMED",
        type_id=type_id,
        type_title=title,
        start=start,
        end=start + timedelta(minutes=45),
        duration=45,
        timezone=zone,
        hosts=tuple(Host(host) for host in hosts),
        booker=Booker(name, f"{name.split()[0].lower()}@example.org", timezone=zone),
        answers=tuple(Answer(label, label, (text,)) for label, text in answers.items()),
        location=Location("MEETING_CHANNEL"),
    )


CALL = booking(
    "Intro Call", "call", "Alice Booker", "America/Sao_Paulo", {"Topic": "Pricing for 200 seats"}, "1"
)
PANEL = booking("Panel interview", "", "Yuki Sato", "Asia/Tokyo", {"Role": "Backend engineer"}, "2", "3")
HELP = booking(
    "Support session", "", "Priya Nair", "Asia/Kolkata", {"What happens": "Sync stops", "Severity": "2"}, "4"
)


def pictures() -> dict[str, str]:
    """Every picture by its file name, as SVG."""
    return {
        "card.svg": _card(),
        "sales.svg": _example("sales", "#sales", CALL),
        "hiring.svg": _example("hiring", "#interviews", PANEL),
        "support.svg": _example("support", "#support", HELP),
    }


def _card() -> str:
    before = replace(CALL, start=NOW + timedelta(days=1), end=NOW + timedelta(days=1, minutes=45))
    scene = Scene(
        Event("e", "rescheduled", NOW, CALL), CALL, before, type=TYPES["call"], directory=PEOPLE, rule="sales"
    )
    card = _message("#sales", render(scene, Rules()), 1, edits=(Edit(0, Content()),))
    reply = _message("#sales", render_reply(scene, Rules()), 2, thread_ts=card.ts)
    return as_svg([card, reply], READER, title="Slack")


def _example(name: str, channel: str, shown: Booking) -> str:
    scene = Scene(Event("e", "created", NOW, shown), shown, directory=PEOPLE, rule=name)
    rendered = render(scene, _rules(name), message=name)
    assert not rendered.problem, rendered.problem
    return as_svg([_message(channel, rendered, 1)], READER, title="Slack")


def _rules(name: str) -> Rules:
    """The README's example of this name, as a whole file."""
    blocks = re.findall(r"```yaml\n(messages:\n.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    chosen = next(block for block in blocks if block.startswith(f"messages:\n  {name}:"))
    post = f'{{post: {{to: "#x", message: {name}}}}}'
    return load(f"version: 1\notherwise: {post}\n{chosen}".encode()).rules


def _message(
    channel: str,
    rendered: Rendered,
    order: int,
    *,
    edits: tuple[Edit, ...] = (),
    thread_ts: str | None = None,
) -> Message:
    content = Content(rendered.text, tuple(rendered.blocks), tuple(rendered.attachments))
    seconds = NOW.timestamp() + order
    return Message(
        channel,
        "C0",
        f"{seconds:.6f}",
        content,
        order,
        seconds,
        BOT_USER,
        "chat.postMessage",
        thread_ts=thread_ts,
        edits=edits,
    )


if __name__ == "__main__":
    for file, svg in pictures().items():
        (ROOT / "docs" / file).write_text(svg, encoding="utf-8")
