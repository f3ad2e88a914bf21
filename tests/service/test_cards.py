"""Cards: one message for a booking and destination, that always shows the present state."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge.retention import Retention
from bridge.sandbox.faults import Drop, Refuse
from bridge.tables.delivery import booking_states, cards, deliveries
from tests.service.bridge import eventually, running

START, LATER = "2026-12-08T15:00:00Z", "2026-12-09T16:00:00Z"
MOVED: dict[str, Any] = {"start": LATER, "end": "2026-12-09T16:30:00Z"}

HOSTS = """
version: 1
people:
  ana: {name: Ana Lima, slack: U0ANA}
  ben: {name: Ben Okafor, slack: U0BEN}
rules:
  - name: hosts
    post: {to: "@host"}
"""


async def test_a_booking_is_one_message_that_follows_it(database_url: str, tmp_path: Path) -> None:
    """Created, confirmed, moved, cancelled: one card, a reply for each change, and the card's last state."""
    async with running(tmp_path, database_url=database_url) as bridge:
        await bridge.send("created", 0, status="PENDING", start=START)
        await bridge.settled()
        await bridge.send("confirmed", 1, start=START)
        await bridge.settled()
        await bridge.send("rescheduled", 2, **MOVED)
        await bridge.settled()
        await bridge.send("cancelled", 3, status="CANCELLED", **MOVED)
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        assert "Cancelled" in card.text
        confirmed, moved, cancelled = bridge.replies("#sales")
        assert "Confirmed" in confirmed
        assert "Was" in moved
        assert "8 December" in moved or "8 Dec" in moved
        assert "Cancelled" in cancelled
        assert bridge.posted("#bookings") == []


async def test_confirmed_right_after_created_is_no_news(tmp_path: Path) -> None:
    """Auto-confirmed bookings may send both, in either order: one message, no reply."""
    async with running(tmp_path) as bridge:
        await bridge.send("created", 0)
        await bridge.send("confirmed", 0.2)
        await bridge.send("confirmed", 5, id="other")
        await bridge.settled()
        await bridge.send("created", 4.8, id="other")
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 2
        assert bridge.replies("#sales") == []


async def test_a_late_older_event_never_rolls_a_card_back(database_url: str, tmp_path: Path) -> None:
    """It is recorded as superseded, and why; the card goes on showing the later state."""
    async with running(tmp_path, database_url=database_url) as bridge:
        await bridge.send("created", 0)
        await bridge.send("cancelled", 10, status="CANCELLED")
        await bridge.settled()
        await bridge.send("rescheduled", 5, **MOVED)
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        assert "Cancelled" in card.text
        assert len(bridge.replies("#sales")) == 1
        late, *others = await bridge.service.events.list()
        assert late.state == "superseded"
        assert late.problem.startswith("a later event of the booking is known already")
        assert {(event.state, event.problem) for event in others} == {("routed", "")}


@pytest.mark.parametrize("apart", [True, False], ids=["one after the other", "together"])
async def test_events_of_the_same_instant_take_effect_created_first(tmp_path: Path, apart: bool) -> None:
    """And else as they were received."""
    async with running(tmp_path) as bridge:
        for event, data in (
            ("cancelled", {"id": "off", "status": "CANCELLED"}),
            ("created", {"id": "off"}),
            ("rescheduled", {"id": "moved", "booker": {"name": "Alice the first"}}),
            ("rescheduled", {"id": "moved", "booker": {"name": "Alice the second"}, **MOVED}),
        ):
            await bridge.send(event, 0, **data)
            if apart:
                await bridge.settled()
        await bridge.settled()
        shown = "\n".join(card.text for card in bridge.posted("#sales"))
        assert "Cancelled: Intro Call" in shown
        assert "Booked: " not in shown
        assert "Alice the second" in shown
        assert "Alice the first" not in shown


async def test_a_late_older_event_that_is_posted_by_itself_says_so(tmp_path: Path) -> None:
    """Or it would contradict what was said after it happened; those in order say nothing of the kind."""
    rules = 'version: 1\nrules: [{name: log, post: {to: ["#ops"], style: post}}]'
    async with running(tmp_path, rules=rules) as bridge:
        await bridge.send("created", 0)
        await bridge.send("cancelled", 10, status="CANCELLED")
        await bridge.settled()
        await bridge.send("rescheduled", 5, **MOVED)
        await bridge.settled()
        late = [
            json.dumps(message.blocks) for message in bridge.posted("#ops") if "arrived late" in str(message)
        ]
        assert len(late) == 1
        assert "Rescheduled" in late[0]
        assert len(bridge.posted("#ops")) == 3


async def test_a_card_that_is_found_is_brought_up_to_date(database_url: str, tmp_path: Path) -> None:
    """Slack had it and did not say so; before it is looked up there, the booking is cancelled."""
    async with running(tmp_path, database_url=database_url) as bridge:
        bridge.slack.fail_next("chat.postMessage", Drop(accepted=True))
        bridge.slack.fail_next("conversations.history", Refuse("service_unavailable"))
        await bridge.send("created", 0)
        await eventually(lambda: "conversations.history" in {call.method for call in bridge.slack.calls})
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        assert "Cancelled" in card.text
        assert len(bridge.replies("#sales")) == 1


async def test_a_card_that_was_deleted_is_posted_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        bridge.slack.delete_message(card.channel, card.ts)
        await bridge.send("rescheduled", 1, **MOVED)
        await bridge.settled()
        (anew,) = bridge.posted("#sales")
        assert anew.ts != card.ts
        await bridge.send("cancelled", 2, status="CANCELLED", **MOVED)
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1
        assert len(bridge.replies("#sales")) == 1


async def test_a_card_stays_true_when_later_events_go_elsewhere(tmp_path: Path) -> None:
    """A later event that another rule takes still brings the old card up to date, quietly."""
    rules = """
version: 1
rules:
  - name: moves
    when: {event: cancelled}
    post: {to: "#ops"}
    stop: true
  - name: sales
    post: {to: "#sales"}
"""
    async with running(tmp_path, rules=rules) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        (old,) = bridge.posted("#sales")
        (new,) = bridge.posted("#ops")
        assert "Cancelled" in old.text
        assert "Cancelled" in new.text
        assert bridge.replies("#sales") == []


async def test_a_reassignment_tells_both_hosts(tmp_path: Path) -> None:
    """The old host hears that it is no longer theirs, the new one that it is; then only the new one does."""
    async with running(tmp_path, rules=HOSTS) as bridge:
        bridge.slack.add_user("Ana Lima", "ana@example.com", "U0ANA")
        bridge.slack.add_user("Ben Okafor", "ben@example.com", "U0BEN")
        await bridge.send("created", 0, hosts=[{"userId": "ana"}])
        await bridge.settled()
        await bridge.send("reassigned", 1, hosts=[{"userId": "ben"}])
        await bridge.settled()
        await bridge.send("cancelled", 2, hosts=[{"userId": "ben"}], status="CANCELLED")
        await bridge.settled()
        (ana,) = bridge.posted("@Ana Lima")
        (ben,) = bridge.posted("@Ben Okafor")
        assert "no longer yours" in ana.text.lower()
        assert len(bridge.replies("@Ana Lima")) == 1
        assert "Cancelled" in ben.text
        assert len(bridge.replies("@Ben Okafor")) == 1


NAMING = HOSTS.replace("- name: hosts\n", "- name: hosts\n    when: {host: Ana*}\n")


@pytest.mark.parametrize(
    ("rules", "event"),
    [(HOSTS, "rescheduled"), (NAMING, "reassigned")],
    ids=["told by another event", "named"],
)
async def test_who_lost_the_booking_hears_of_it_all_the_same(tmp_path: Path, rules: str, event: str) -> None:
    """Whichever event tells it first, and where a rule asks for the host; then they hear no more."""
    async with running(tmp_path, rules=rules) as bridge:
        bridge.slack.add_user("Ana Lima", "ana@example.com", "U0ANA")
        bridge.slack.add_user("Ben Okafor", "ben@example.com", "U0BEN")
        await bridge.send("created", 0, hosts=[{"userId": "ana"}])
        await bridge.settled()
        await bridge.send(event, 2, hosts=[{"userId": "ben"}], **MOVED)
        await bridge.settled()
        await bridge.send("reassigned", 1, hosts=[{"userId": "ben"}])  # late
        await bridge.send("cancelled", 3, hosts=[{"userId": "ben"}], status="CANCELLED", **MOVED)
        await bridge.settled()
        (ana,) = bridge.posted("@Ana Lima")
        assert "No longer yours" in ana.text
        (farewell,) = bridge.replies("@Ana Lima")
        assert "It is no longer yours; it is now with Ben Okafor." in farewell


async def test_an_event_that_names_no_host_takes_the_booking_from_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, rules=HOSTS) as bridge:
        bridge.slack.add_user("Ana Lima", "ana@example.com", "U0ANA")
        await bridge.send("created", 0, hosts=[{"userId": "ana"}])
        await bridge.settled()
        await bridge.send("cancelled", 1, hosts=[], status="CANCELLED")
        await bridge.settled()
        (ana,) = bridge.posted("@Ana Lima")
        assert "Cancelled" in ana.text


ERASING = """
version: 1
people:
  ana: {name: Ana Lima, slack: U0ANA}
  ben: {name: Ben Okafor, slack: U0BEN}
rules:
  - {name: hosts, post: {to: ["@host", "#sales"], mention: zoe@example.com}}
"""


async def test_a_card_outlives_the_retention_as_long_as_its_booking_may_change(tmp_path: Path) -> None:
    """What was personal is erased; a booking months ahead is still one card, and its former host hears."""
    now = datetime.now(UTC)
    ahead = {"start": (now + timedelta(days=90)).isoformat(), "end": (now + timedelta(days=91)).isoformat()}
    async with running(tmp_path, rules=ERASING, clock=lambda: now) as bridge:
        for name in ("Ana Lima", "Ben Okafor", "Zoe"):
            address = f"{name.split()[0].lower()}@example.com"
            bridge.slack.add_user(name, address, f"U0{name.split()[0].upper()}")
        await bridge.send("created", 0, hosts=[{"userId": "ana"}], **ahead)
        await bridge.settled()
        now += timedelta(days=40)
        retention = Retention(bridge.service.database, timedelta(days=30), lambda: now)
        assert await retention.erase() > 0
        assert await retention.erase() == 0
        await bridge.send("reassigned", 40 * 86_400, hosts=[{"userId": "ben"}], **ahead)
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        assert "Reassigned" in card.text
        assert "was Ana Lima" in card.text
        (ana,) = bridge.posted("@Ana Lima")
        assert "No longer yours" in ana.text
        now += timedelta(days=200)
        await retention.erase()
        async with bridge.service.database.read() as connection:
            kept = [
                str(row)
                for table in (cards, deliveries, booking_states)
                for row in (await connection.execute(select(table))).all()
            ]
        assert kept
        assert not [row for row in kept if "@example.com" in row or "Alice" in row]


async def test_chosen_replies_are_shown_in_the_channel_too(tmp_path: Path) -> None:
    rules = 'version: 1\nrules: [{name: all, post: {to: "#sales", broadcast: [cancelled]}}]\n'
    async with running(tmp_path, rules=rules) as bridge:
        for seconds, event, data in ((0, "created", {}), (1, "rescheduled", MOVED), (2, "cancelled", MOVED)):
            await bridge.send(event, seconds, **data)
            await bridge.settled()
        replies = [message for message in bridge.slack.messages("#sales") if message.is_reply]
        assert [reply.broadcast for reply in replies] == [False, True]


async def test_style_post_is_a_new_message_for_every_event(tmp_path: Path) -> None:
    rules = 'version: 1\nrules: [{name: all, post: {to: "#sales", style: post}}]\n'
    async with running(tmp_path, rules=rules) as bridge:
        await bridge.send("created", 0)
        await bridge.send("rescheduled", 1, **MOVED)
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 2


async def test_an_incoming_webhook_gets_a_message_for_every_event(tmp_path: Path) -> None:
    rules = 'version: 1\nrules: [{name: all, post: {to: "webhook:TEAM", style: post}}]\n'
    from bridge.sandbox.slack import SlackStandIn

    slack = SlackStandIn()
    slack.add_channel("sales")
    await slack.start()
    webhooks = {"TEAM": slack.webhook_url("TEAM", "#sales")}
    async with running(
        tmp_path, rules=rules, slack=slack, slack_webhooks=webhooks, slack_bot_token=None
    ) as bridge:
        await bridge.send("created", 0)
        await bridge.send("cancelled", 1, status="CANCELLED")
        await eventually(lambda: len(bridge.posted("#sales")) == 2)
    await slack.stop()
