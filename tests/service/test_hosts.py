"""Whose a booking is: who lost it hears so once, who has it sees it as it is, nobody else sees it at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox.faults import Drop, Latency, Refuse, Status
from bridge.store.events import Events
from bridge.store.history import History
from tests.service.bridge import Bridge, eventually, running

LATER = "2026-12-09T16:00:00Z"
MOVED: dict[str, Any] = {"start": LATER, "end": "2026-12-09T16:30:00Z"}
PEOPLE = """
version: 1
people:
  ana: {name: Ana Lima, slack: U0ANA}
  ben: {name: Ben Okafor, slack: U0BEN}
rules:
"""
CARDS = '  - {name: hosts, post: {to: "@host"}}\n'
ANA, BEN = "@Ana Lima", "@Ben Okafor"


@asynccontextmanager
async def told(folder: Path, rules: str, **more: Any) -> AsyncIterator[Bridge]:
    """A bridge by these rules, with Ana and Ben in Slack."""
    async with running(folder, rules=PEOPLE + rules, **more) as bridge:
        bridge.slack.add_user("Ana Lima", "ana@example.com", "U0ANA")
        bridge.slack.add_user("Ben Okafor", "ben@example.com", "U0BEN")
        yield bridge


async def happen(bridge: Bridge, event: str, seconds: float, *hosts: str, **data: Any) -> None:
    """One event, told before the next."""
    await bridge.send(event, seconds, hosts=[{"userId": host} for host in hosts], **data)
    await bridge.settled()


def refuse_ana(bridge: Bridge, conversation: str) -> None:
    """Once she can neither be written to nor her card be edited."""
    places = {conversation, "U0ANA"}
    for method in ("chat.update", "chat.postMessage"):
        refusal = Refuse("messages_tab_disabled")
        bridge.slack.fail_next(method, refusal, match=lambda call: call["channel"] in places)


async def test_a_card_stays_true_beside_a_message_in_the_same_place(
    database_url: str, tmp_path: Path
) -> None:
    """Rules may post some events by themselves where others are cards."""
    rules = (
        '  - {name: off, when: {event: cancelled}, post: {to: "#sales", style: post}, stop: true}\n'
        '  - {name: all, post: {to: "#sales"}}\n'
    )
    async with told(tmp_path, rules, database_url=database_url) as bridge:
        await happen(bridge, "created", 0, "ana")
        await happen(bridge, "cancelled", 1, "ana", status="CANCELLED")
        card, alone = bridge.posted("#sales")
        assert "Cancelled" in card.text
        assert "Cancelled" in alone.text
        assert bridge.replies("#sales") == []


@pytest.mark.parametrize("error", ["channel_not_found", "is_archived", "invalid_blocks"])
async def test_a_card_that_cannot_be_edited_keeps_no_message_back(tmp_path: Path, error: str) -> None:
    """Nor is what is posted beside it made plain by what is wrong with the card."""
    rules = (
        '  - {name: off, when: {event: cancelled}, post: {to: "#sales", style: post}, stop: true}\n'
        '  - {name: all, post: {to: "#sales"}}\n'
    )
    async with told(tmp_path, rules) as bridge:
        await happen(bridge, "created", 0, "ana")
        bridge.slack.fail_next("chat.update", Refuse(error))
        await happen(bridge, "cancelled", 1, "ana", status="CANCELLED")
        _, alone = bridge.posted("#sales")
        assert "Cancelled" in alone.text
        assert alone.blocks


async def test_a_farewell_is_said_once_though_the_card_cannot_show_it(tmp_path: Path) -> None:
    """Who lost the booking hears nothing of what becomes of it."""
    async with told(tmp_path, CARDS) as bridge:
        await happen(bridge, "created", 0, "ana")
        (card,) = bridge.posted(ANA)
        bridge.slack.fail_next(
            "chat.update", Refuse("msg_too_long"), times=None, match=lambda call: call["ts"] == card.ts
        )
        await happen(bridge, "reassigned", 1, "ben")
        for second in (2, 3):
            await happen(bridge, "rescheduled", second, "ben", start=f"2026-12-1{second}T16:00:00Z", end=None)
        assert len(bridge.replies(ANA)) == 1


async def test_a_dead_farewell_harms_nobody_who_has_the_booking_back(tmp_path: Path) -> None:
    rules = (
        '  - {name: moved, when: {event: reassigned}, post: {to: "@host", style: post}, stop: true}\n' + CARDS
    )
    async with told(tmp_path, rules) as bridge:
        await happen(bridge, "created", 0, "ana")
        (card,) = bridge.posted(ANA)
        refuse_ana(bridge, card.channel_id)
        await happen(bridge, "reassigned", 1, "ben")
        await happen(bridge, "reassigned", 2, "ana")
        await History(bridge.service.database).retry([], bridge.service.clock())
        await bridge.settled()
        assert all("No longer yours" not in message.text for message in bridge.slack.messages(ANA))


async def test_a_card_that_is_about_to_open_again_is_closed_again(tmp_path: Path) -> None:
    """The booking went there, back and there again while Slack was slow, and no rule tells hosts any more."""
    async with told(tmp_path, CARDS) as bridge:
        await happen(bridge, "created", 0, "ana")
        bridge.rules.write_text(PEOPLE + '  - {name: all, post: {to: "#sales"}}\n', encoding="utf-8")
        await eventually(lambda: bridge.service.rulebook.rules.rules[0].name == "all")
        await happen(bridge, "reassigned", 1, "ben")
        bridge.slack.fail_next("chat.update", Latency(1.0), times=2)
        await bridge.send("reassigned", 2, hosts=[{"userId": "ana"}])
        await eventually(lambda: [call.method for call in bridge.slack.calls].count("chat.update") >= 2)
        await happen(bridge, "reassigned", 3, "ben")
        (ana,) = bridge.posted(ANA)
        assert "No longer yours" in ana.text


async def test_a_farewell_by_itself_ends_the_card_of_who_lost_the_booking(tmp_path: Path) -> None:
    rules = (
        '  - {name: moved, when: {event: reassigned}, post: {to: "@host", style: post}, stop: true}\n' + CARDS
    )
    async with told(tmp_path, rules) as bridge:
        await happen(bridge, "created", 0, "ana")
        await happen(bridge, "reassigned", 1, "ben")
        await happen(bridge, "cancelled", 2, "ben", status="CANCELLED", **MOVED)
        assert all("No longer yours" in message.text for message in bridge.posted(ANA))
        assert len(bridge.posted(ANA)) == 2


@pytest.mark.parametrize(
    ("first", "late", "host"),
    [
        (("reassigned", "ben"), ("created", "ana"), ANA),
        (("created", "ana"), ("reassigned", "ben"), BEN),
        (("cancelled", "ana"), ("reassigned", "ben"), BEN),
    ],
)
async def test_a_late_event_tells_nobody_whose_booking_it_is_not(
    tmp_path: Path, first: tuple[str, str], late: tuple[str, str], host: str
) -> None:
    async with told(tmp_path, CARDS) as bridge:
        await happen(bridge, first[0], 9, first[1])
        await happen(bridge, late[0], 5, late[1])
        await happen(bridge, "rescheduled", 20, first[1], **MOVED)
        assert bridge.slack.messages(host) == []


async def test_a_farewell_that_could_not_be_said_is_said_with_the_next_event(tmp_path: Path) -> None:
    """And once: the dead one has nothing to add when it is tried again."""
    async with told(tmp_path, CARDS) as bridge:
        await happen(bridge, "created", 0, "ana")
        (before,) = bridge.posted(ANA)
        refuse_ana(bridge, before.channel_id)
        await happen(bridge, "reassigned", 1, "ben")
        assert "No longer yours" not in bridge.posted(ANA)[0].text
        await happen(bridge, "rescheduled", 2, "ben", **MOVED)
        await History(bridge.service.database).retry([], bridge.service.clock())
        await bridge.settled()
        (ana,) = bridge.posted(ANA)
        assert "No longer yours" in ana.text
        assert len(bridge.replies(ANA)) == 1


async def test_who_gets_the_booking_back_sees_it_though_no_rule_says_so(tmp_path: Path) -> None:
    rules = '  - {name: new, when: {event: cancelled, host: nobody}, post: {to: "@host"}}\n' + CARDS
    async with told(tmp_path, rules) as bridge:
        await happen(bridge, "created", 0, "ana")
        bridge.rules.write_text(PEOPLE + '  - {name: all, post: {to: "#sales"}}\n', encoding="utf-8")
        await eventually(lambda: bridge.service.rulebook.rules.rules[0].name == "all")
        for second, host in ((1, "ben"), (2, "ana")):
            await happen(bridge, "reassigned", second, host)
        await happen(bridge, "cancelled", 3, "ana", status="CANCELLED")
        (ana,) = bridge.posted(ANA)
        assert "Cancelled" in ana.text


async def test_a_replay_says_no_farewell_to_who_has_the_booking(tmp_path: Path) -> None:
    async with told(tmp_path, '  - {name: all, post: {to: "#sales"}}\n') as bridge:
        for second, host in ((0, "ana"), (1, "ben"), (2, "ana")):
            await happen(bridge, "reassigned" if second else "created", second, host)
        bridge.rules.write_text(PEOPLE + CARDS, encoding="utf-8")
        await eventually(lambda: bridge.service.rulebook.rules.rules[0].name == "hosts")
        events = Events(bridge.service.database)
        (moved,) = (
            event
            for event in await events.list()
            if event.at and event.name == "reassigned" and event.seq == 2
        )
        assert await events.again(moved.id)
        await bridge.settled()
        assert bridge.slack.messages(BEN) == []
        assert all("No longer yours" not in message.text for message in bridge.slack.messages(ANA))


async def test_an_event_without_hosts_hides_no_farewell(tmp_path: Path) -> None:
    async with told(tmp_path, CARDS) as bridge:
        await happen(bridge, "created", 0, "ana")
        await happen(bridge, "rescheduled", 1, **MOVED)
        await happen(bridge, "reassigned", 2, "ben", **MOVED)
        (ana,) = bridge.posted(ANA)
        assert "No longer yours" in ana.text


@pytest.mark.parametrize("style", ["card", "post"])
@pytest.mark.parametrize("when", ["{host: Ana*}", "{event: created}", "{event: [created, cancelled]}"])
async def test_both_hosts_are_told_where_hosts_are_told_at_all(tmp_path: Path, when: str, style: str) -> None:
    """Also by rules that ask for another host or another event."""
    rules = f'  - {{name: hosts, when: {when}, post: {{to: "@host", style: {style}}}}}\n'
    async with told(tmp_path, rules) as bridge:
        await happen(bridge, "created", 0, "ana")
        await happen(bridge, "reassigned", 1, "ben")
        assert "No longer yours" in bridge.posted(ANA)[-1].text
        assert len(bridge.posted(BEN)) == (0 if "Ana" in when else 1)


async def test_who_was_taken_for_a_host_by_mistake_hears_no_more(tmp_path: Path) -> None:
    """As soon as somebody corrects it: the next event goes to the right person, as a card of its own."""
    wrong = PEOPLE.replace("slack: U0ANA", "slack: U0BEN").replace("ben: {", "other: {")
    async with told(tmp_path, CARDS) as bridge:
        bridge.rules.write_text(wrong + CARDS, encoding="utf-8")
        await eventually(lambda: bridge.service.rulebook.rules.people[0].slack == "U0BEN")
        await happen(bridge, "created", 0, "ana")
        assert len(bridge.posted(BEN)) == 1
        bridge.rules.write_text(PEOPLE + CARDS, encoding="utf-8")
        await eventually(lambda: bridge.service.rulebook.rules.people[0].slack == "U0ANA")
        await happen(bridge, "rescheduled", 1, "ana", **MOVED)
        await happen(bridge, "cancelled", 2, "ana", status="CANCELLED", **MOVED)
        assert len(bridge.slack.messages(BEN)) == 1
        (card,) = bridge.posted(ANA)
        assert "Cancelled" in card.text
        assert len(bridge.replies(ANA)) == 1


async def test_a_quiet_change_keeps_the_rule_and_the_mention_of_a_card(tmp_path: Path) -> None:
    rules = """
  - {name: first, when: {event: created}, post: {to: "#sales", mention: ana@example.com, message: named}}
  - {name: other, post: {to: "#ops"}}
messages: {named: {title: "{{ event.verb }} by {{ rule.name }}"}}
"""
    async with told(tmp_path, rules) as bridge:
        await happen(bridge, "created", 0, "ana")
        (before,) = bridge.posted("#sales")
        assert "<@U0ANA>" in str(before)
        await happen(bridge, "cancelled", 1, "ana", status="CANCELLED")
        (card,) = bridge.posted("#sales")
        assert "Cancelled by first" in card.text
        assert "<@U0ANA>" in str(card)


async def test_a_found_card_whose_edit_fails_first_gets_no_reply_about_itself(tmp_path: Path) -> None:
    async with told(tmp_path, '  - {name: all, post: {to: "#sales"}}\n') as bridge:
        bridge.slack.fail_next("chat.postMessage", Drop(accepted=True))
        bridge.slack.fail_next("conversations.history", Refuse("service_unavailable"))
        bridge.slack.fail_next("chat.update", Status(500))
        await bridge.send("rescheduled", 0, **MOVED)
        await eventually(lambda: "conversations.history" in {call.method for call in bridge.slack.calls})
        await happen(bridge, "cancelled", 1, "host1", status="CANCELLED", **MOVED)
        (card,) = bridge.posted("#sales")
        assert "Cancelled" in card.text
        assert len(bridge.replies("#sales")) == 1
