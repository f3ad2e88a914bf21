"""What happens after trouble: replays, retries, alerts, and cards in channels that changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
import structlog

from bridge.alerts import Alerts
from bridge.courier.doubts import untold
from bridge.courier.showing import Showing
from bridge.sandbox.faults import Drop, Refuse
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Message
from bridge.store.backlog import Waiting
from bridge.store.bookings import Bookings
from bridge.store.facts import Facts
from bridge.store.history import DeliveryRecord, History
from tests.service.bridge import RULES, Bridge, eventually, running

pytestmark = pytest.mark.no_cover  # it takes long, and its code is covered by other stories

OPS = 'version: 1\nsettings: {alerts_to: "#ops"}\nrules: [{name: all, post: {to: "#sales"}}]\n'
HOSTS = """
version: 1
people: {ana: {email: ana@example.com}, ben: {email: ben@example.com}}
rules: [{name: hosts, post: {to: "@host"}}]
"""


async def records(bridge: Bridge, state: str = "") -> list[DeliveryRecord]:
    return await History(bridge.service.database).deliveries(state=state)


async def test_an_archived_channel_is_a_dead_letter_until_it_is_back(tmp_path: Path) -> None:
    """Its card cannot be edited nor posted anew; once it is back, a retry mends all."""
    async with running(tmp_path) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        bridge.slack.channel("sales").archived = True
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        (dead,) = await records(bridge, "dead")
        assert dead.problem.startswith("is_archived")
        bridge.slack.channel("sales").archived = False
        await History(bridge.service.database).retry([dead.id], bridge.service.clock())
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        assert "Cancelled" in card.text
        assert len(bridge.replies("#sales")) == 1


async def test_an_edit_that_slack_refuses_for_good_does_not_swallow_the_news(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        bridge.slack.fail_next("chat.update", Refuse("msg_too_long"))
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        assert len(bridge.replies("#sales")) == 1
        latest = (await records(bridge))[0]
        assert "could not be brought up to date" in latest.problem


async def test_a_thread_whose_card_vanished_begins_anew(tmp_path: Path) -> None:
    """The card is deleted between its edit and the reply."""
    async with running(tmp_path) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        bridge.slack.fail_next("chat.postMessage", Refuse("cannot_reply_to_message"))
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 2
        assert await records(bridge, "dead") == []


async def test_a_burst_is_folded_into_one_edit(tmp_path: Path) -> None:
    """What changed is told step by step, in order; the card goes to its last state at once."""
    async with running(tmp_path) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        bridge.slack.fail_next("chat.update", Refuse("service_unavailable"))
        for number in range(1, 4):
            start = f"2026-12-0{number}T15:00:00Z"
            await bridge.send("rescheduled", number, start=start, end=start.replace("15:", "16:"))
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        assert len(card.edits) == 1
        assert "3 Dec" in bridge.replies("#sales")[-1]
        assert len(bridge.replies("#sales")) == 3


async def test_a_host_who_gets_the_booking_back(tmp_path: Path) -> None:
    """Their old card is theirs again."""
    async with running(tmp_path, rules=HOSTS) as bridge:
        bridge.slack.add_user("Ana Lima", "ana@example.com", "U0ANA")
        bridge.slack.add_user("Ben Okafor", "ben@example.com", "U0BEN")
        for number, host in enumerate(("ana", "ben", "ana")):
            event = "reassigned" if number else "created"
            await bridge.send(event, number, hosts=[{"userId": host}])
            await bridge.settled()
        (ana,) = bridge.posted("@Ana Lima")
        (ben,) = bridge.posted("@Ben Okafor")
        assert "no longer yours" not in ana.text.lower()
        assert "no longer yours" in ben.text.lower()
        assert len(bridge.replies("@Ana Lima")) == 2


async def test_a_token_refused_while_somebody_is_looked_up_pauses_too(tmp_path: Path) -> None:
    """A direct message waits for the token like any other; it does not die."""
    async with running(tmp_path, rules=HOSTS) as bridge:
        bridge.slack.add_user("Ana Lima", "ana@example.com", "U0ANA")
        bridge.slack.revoke_token()
        await bridge.send("created", 0, hosts=[{"userId": "ana"}])
        await asyncio.sleep(0.5)
        assert await records(bridge, "dead") == []
        bridge.slack.restore_token()
        await bridge.settled()
        assert len(bridge.posted("@Ana Lima")) == 1


async def test_what_waited_in_a_backup_and_was_sent_since_is_not_sent_again(tmp_path: Path) -> None:
    """Cards and replies: they are looked up in Slack, since it holds what the older copy believes to wait.

    The channel's history is read to see that, and once more for all cards, however many they are.
    """
    slack = SlackStandIn()
    slack.add_channel("sales")
    await slack.start()
    backup = tmp_path / "backup.db"
    async with running(tmp_path, slack=slack) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        slack.revoke_token()
        await bridge.send("cancelled", 1, status="CANCELLED")
        for number in range(6):
            await bridge.send("created", 2, id=f"another{number}")
        await eventually(lambda: _is_down(bridge))
        with (
            closing(sqlite3.connect(tmp_path / "bridge.db")) as source,
            closing(sqlite3.connect(backup)) as copy,
        ):
            source.backup(copy)
        slack.restore_token()
        await bridge.settled()
        before = [(message.ts, message.text) for message in slack.messages("#sales")]
        assert len(before) == 8
    for part in ("-wal", "-shm"):
        (tmp_path / f"bridge.db{part}").unlink(missing_ok=True)
    backup.replace(tmp_path / "bridge.db")
    calls = len(slack.calls)
    async with running(tmp_path, slack=slack) as bridge:
        await bridge.settled()
        asked = Counter(call.method for call in list(slack.calls)[calls:])
        assert (asked["conversations.history"], asked["conversations.replies"]) == (2, 1)
        assert [(message.ts, message.text) for message in slack.messages("#sales")] == before
        assert {record.state for record in await records(bridge)} == {"sent"}
        await bridge.send("created", 3, id="one more")
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 8
    await slack.stop()


def test_what_slack_does_not_hold_need_not_be_looked_up() -> None:
    """Certain is what would be seen in a conversation that was read; no reply: it is in a thread."""

    def waits(name: str, booking: str, **values: Any) -> Waiting:
        given: dict[str, Any] = {"style": "card", "has_card": False, "channel": "C1"} | values
        return Waiting(name, booking, f"#{given['channel']}", created_at=datetime.now(UTC), **given)

    waiting = [
        waits("not there", "b1"),
        waits("found", "b2"),
        waits("after the found", "b2"),
        waits("on a card", "b3", has_card=True),
        waits("not read", "b4", channel="C2"),
        waits("post not there", "b2", style="post"),
        waits("post found", "b2", style="post"),
    ]
    found = [("found", "card"), ("post found", "post")]
    assert untold(waiting, found, {"C1"}) == {"not there", "post not there"}


async def test_a_backlog_that_was_not_sent_is_not_looked_up(tmp_path: Path) -> None:
    """A stop in a backlog is no backup: one look at the channel, none for each delivery."""
    slack = SlackStandIn()
    slack.add_channel("sales")
    await slack.start()
    async with running(tmp_path, slack=slack) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        slack.revoke_token()
        for number in range(1, 6):
            await bridge.send("created", number, id=f"booking{number}")
        await eventually(lambda: _is_down(bridge))
    slack.restore_token()
    async with running(tmp_path, slack=slack) as bridge:
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 6
        assert [call.method for call in slack.calls].count("conversations.history") == 1
    await slack.stop()


async def _is_down(bridge: Bridge) -> bool:
    return (await bridge.get("/readyz"))[0] == 503


@pytest.mark.parametrize("why", ["token_revoked", "missing_scope"])
async def test_a_token_that_cannot_post_is_known_before_the_first_booking(tmp_path: Path, why: str) -> None:
    slack = SlackStandIn()
    slack.add_channel("sales")
    await slack.start()
    if why == "token_revoked":
        slack.revoke_token()
    else:
        slack.grant(["channels:history"])
    async with running(tmp_path, slack=slack) as bridge:
        await eventually(lambda: _is_down(bridge))
        _, answer = await bridge.get("/readyz")
        assert why in answer["parts"]["slack"]["why"]
        slack.restore_token()
        slack.grant(["chat:write", "channels:history"])
        await bridge.send("created", 0)
        await bridge.service.deliveries.gates.retry_token(bridge.service.clock())  # as after half a minute
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1
        assert not await _is_down(bridge)


async def test_a_missing_scope_pauses_until_it_is_granted(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge:
        await eventually(lambda: "auth.test" in {call.method for call in bridge.slack.calls})
        bridge.slack.grant(["channels:history"])
        await bridge.send("created", 0)
        await eventually(lambda: _is_down(bridge))
        await asyncio.sleep(2.5)  # more than a heartbeat
        posts = [call for call in bridge.slack.calls if call.method == "chat.postMessage"]
        assert len(posts) == 1
        bridge.slack.grant(["chat:write", "channels:history"])
        await bridge.service.deliveries.gates.retry_token(bridge.service.clock())  # as after half a minute
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1


async def test_a_mistake_of_ours_is_a_dead_letter_after_a_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither stops the others nor is it tried for ever."""

    def broken(self: Showing, message: str | None, mention: str) -> Any:
        raise ZeroDivisionError

    async with running(tmp_path) as bridge:
        with monkeypatch.context() as patched:
            patched.setattr(Showing, "card", broken)
            await bridge.send("created", 0)
            await bridge.settled()
        (dead,) = await records(bridge, "dead")
        assert dead.problem.startswith("bridge_failed (ZeroDivisionError)")
        await bridge.send("created", 0, id="other")
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1


async def test_an_incoming_webhook_cannot_be_asked(tmp_path: Path) -> None:
    """After an unknown outcome it is sent again, and the log says that it may be there twice."""
    slack = SlackStandIn()
    slack.add_channel("sales")
    await slack.start()
    rules = 'version: 1\nrules: [{name: all, post: {to: "webhook:TEAM", style: post}}]\n'
    webhooks = {"TEAM": slack.webhook_url("TEAM", "#sales")}
    async with running(
        tmp_path, rules=rules, slack=slack, slack_webhooks=webhooks, slack_bot_token=None
    ) as bridge:
        slack.fail_next("webhook", Drop(accepted=True))
        with structlog.testing.capture_logs() as logs:
            await bridge.send("created", 0)
            await bridge.settled()
        assert len(bridge.posted("#sales")) == 2
        assert "delivery.sent_again_unseen" in [entry["event"] for entry in logs]
    await slack.stop()


async def test_a_channel_with_too_many_messages_to_look_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not found among those that were read may be there: it is sent again, and the log says so."""
    monkeypatch.setattr("bridge.slack._PAGES", 1)
    async with running(tmp_path) as bridge:
        ana = bridge.slack.add_user("Ana", "ana@example.com")

        def chat(_message: Message) -> None:
            bridge.slack.on_message = None
            for _ in range(200):  # as many as a page holds
                bridge.slack.say("#sales", ana.id, "Anybody for lunch?")

        bridge.slack.on_message = chat
        bridge.slack.fail_next("chat.postMessage", Drop(accepted=True))
        with structlog.testing.capture_logs() as logs:
            await bridge.send("created", 0)
            await bridge.settled()
        assert len([card for card in bridge.posted("#sales") if "Intro Call" in card.text]) == 2
        (said,) = [entry for entry in logs if entry["event"] == "delivery.sent_again_unseen"]
        assert said["error"] == "history_too_long"


async def test_a_replay_posts_only_where_it_has_not(database_url: str, tmp_path: Path) -> None:
    """With today's rules; a message that is there stays alone, and no card goes back."""
    async with running(tmp_path, database_url=database_url) as bridge:
        await bridge.send("created", 0)
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        rules = bridge.rules.read_text().replace('to: "#sales"', 'to: ["#sales", "#ops"]')
        bridge.rules.write_text(rules)
        before = bridge.service.rulebook.rules.hash
        await eventually(lambda: bridge.service.rulebook.rules.hash != before)
        created = (await bridge.service.events.list())[-1]
        assert await bridge.service.events.again(created.id)
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1
        assert len(bridge.replies("#sales")) == 1
        (card,) = bridge.posted("#ops")
        assert "Cancelled" in card.text


async def test_a_replay_sends_what_was_given_up(database_url: str, tmp_path: Path) -> None:
    """It has not posted there; what was sent elsewhere is not sent again."""
    rules = RULES.replace('to: "#sales"', 'to: ["#sales", "#lost"], style: post')
    async with running(tmp_path, database_url=database_url, rules=rules) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        (event,) = await bridge.service.events.list()
        history = History(bridge.service.database)
        (dead,) = await history.deliveries(state="dead")
        bridge.slack.add_channel("lost")
        assert await bridge.service.events.again(event.id)
        await bridge.settled()
        assert [len(bridge.posted(channel)) for channel in ("#sales", "#lost")] == [1, 1]
        (sent,) = await history.deliveries(ids=[dead.id])
        assert (sent.state, sent.problem) == ("sent", "")


async def test_an_event_is_found_by_link_booking_and_uid(database_url: str, tmp_path: Path) -> None:
    async with running(tmp_path, database_url=database_url) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        await Bookings(bridge.service.database).link("665f1", "uid-1")
        card, reply = bridge.slack.messages("#sales")
        history = History(bridge.service.database)
        root = f"https://team.slack.com/archives/{card.channel_id}/p"
        of_reply = root + reply.ts.replace(".", "")
        links = {
            "card": root + card.ts.replace(".", ""),
            "app": f"https://app.slack.com/client/T1/{card.channel_id}/thread/{card.channel_id}-{card.ts}",
            "reply": of_reply,
            "thread": f"{of_reply}?thread_ts={card.ts}&cid={card.channel_id}",
            "booking": "665f1",
            "uid": "uid-1",
            "nothing": "665f2",
        }
        found = {what: (await history.find(said)).events for what, said in links.items()}
        counts = {what: len(records) for what, records in found.items()}
        assert counts == {"card": 2, "app": 2, "reply": 1, "thread": 2, "booking": 2, "uid": 2, "nothing": 0}
        (sent,) = found["reply"][0].deliveries
        assert [call.call for call in sent.calls] == ["chat.update", "chat.postMessage"]
        assert found["reply"][0].rules


async def test_dead_letters_are_told_once_a_minute(tmp_path: Path, postgres_url: str) -> None:
    """By all replicas together; one that failed to be told is told later."""
    slack = SlackStandIn()
    for name in ("sales", "ops"):
        slack.add_channel(name)
    await slack.start()
    (tmp_path / "two").mkdir()
    slack.channel("sales").is_member = False
    slack.grant(scope for scope in slack.workspace.scopes if scope != "chat:write.public")
    options: dict[str, Any] = {"database_url": postgres_url, "rules": OPS, "slack": slack}
    async with running(tmp_path, **options) as first, running(tmp_path / "two", **options) as second:
        for number in range(6):
            await (first, second)[number % 2].send("created", number, id=f"b{number}")
        await first.settled()
        await eventually(lambda: first.posted("#ops"))
        await asyncio.sleep(2.5)
        (alert,) = first.posted("#ops")
        assert "not_in_channel" in alert.text
    await slack.stop()


async def test_a_dead_letter_is_told_though_the_process_ends_first(database_url: str, tmp_path: Path) -> None:
    """The next one tells it, once; what was told is not told again."""
    slack = SlackStandIn()
    slack.add_channel("ops")
    await slack.start()
    options: dict[str, Any] = {"database_url": database_url, "rules": OPS, "slack": slack}
    with patch.object(Alerts, "report", AsyncMock()):  # as if it were killed after the delivery was settled
        async with running(tmp_path, **options) as bridge:
            await bridge.send("created", 0)
            await bridge.settled()
    async with running(tmp_path, **options) as bridge:
        facts = Facts(bridge.service.database)
        await eventually(lambda: facts.last("alert: dead deliveries"))
        (alert,) = bridge.posted("#ops")
        assert "#sales: channel_not_found" in alert.text
        assert "times" not in alert.text
        with patch.object(Alerts, "report", AsyncMock()) as reported:
            await bridge.service.alerts._recall()
        assert reported.await_count == 0
    await slack.stop()


async def test_a_private_channel_that_was_replaced_is_found_again(tmp_path: Path) -> None:
    """Its id was learnt, for Slack takes no names of private ones; a retry goes to the new one."""
    rules = 'version: 1\notherwise: {post: {to: "#vault"}}\n'
    async with running(tmp_path, rules=rules) as bridge:
        old = bridge.slack.add_channel("vault", private=True)
        await bridge.send("created", 0)
        await bridge.settled()
        assert len(bridge.slack.messages(old.id)) == 1
        old.name, old.archived = "vault-old", True
        new = bridge.slack.add_channel("vault", private=True)
        await bridge.send("created", 1, id="second")
        await bridge.settled()
        (dead,) = await records(bridge, "dead")
        assert dead.error == "is_archived"
        await History(bridge.service.database).retry([], bridge.service.clock())
        await bridge.send("created", 2, id="third")
        await bridge.settled()
        assert len(bridge.slack.messages(new.id)) == 2
