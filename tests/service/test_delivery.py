"""Delivery: nothing lost, nothing twice, whatever Slack does."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge.sandbox.faults import BrokenJson, Drop, Fault, RateLimit, Refuse, Status
from bridge.store.delivery import Claimed, Settlement
from bridge.store.history import History
from tests.service.bridge import Bridge, eventually, running


async def dead(bridge: Bridge) -> list[str]:
    found = await History(bridge.service.database).deliveries(state="dead")
    return [delivery.problem for delivery in found]


async def test_an_event_becomes_one_message(database_url: str, tmp_path: Path) -> None:
    """Stored, routed, posted in the right channel; the repeat is known and posts nothing."""
    async with running(tmp_path, database_url=database_url) as bridge:
        assert await bridge.send("confirmed") == 202
        assert await bridge.send("confirmed") == 200
        await bridge.settled()
        assert len(bridge.slack.messages()) == 1
        (message,) = bridge.posted("#sales")
        assert "Intro Call with Alice Booker" in message.text
        assert message.metadata is not None
        payload = message.metadata["event_payload"]
        assert (payload["rule"], payload["part"]) == ("sales", "card")
        assert payload["event"] == (await bridge.service.events.list())[0].id
        assert payload["rules"] == bridge.service.rulebook.rules.hash != ""
        assert "alice" not in str(message.metadata).lower()


@pytest.mark.parametrize(
    "fault",
    [
        Drop(accepted=True),
        Status(500, "oops", "text/plain", accepted=True),
        BrokenJson(accepted=True),
        Refuse("fatal_error", accepted=True),
        Status(200, '{"ok": true}', "application/json", accepted=True),
    ],
)
async def test_an_unknown_outcome_is_looked_up_first(tmp_path: Path, fault: object) -> None:
    """Slack accepted, but its answer was lost: the message is found there and not sent again."""
    async with running(tmp_path) as bridge:
        bridge.slack.fail_next("chat.postMessage", fault)  # type: ignore[arg-type]
        await bridge.send("created")
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        assert "Cancelled" in bridge.posted("#sales")[0].text


async def test_an_unknown_outcome_of_a_reply_is_looked_up_first(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge:
        await bridge.send("created")
        await bridge.settled()
        bridge.slack.fail_next("chat.postMessage", Drop(accepted=True))
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        assert len(bridge.replies("#sales")) == 1


@pytest.mark.parametrize("fault", [Drop(), Status(503, "", "text/plain"), Refuse("service_unavailable")])
async def test_what_was_not_accepted_is_sent_again(tmp_path: Path, fault: object) -> None:
    async with running(tmp_path) as bridge:
        bridge.slack.fail_next("chat.postMessage", fault)  # type: ignore[arg-type]
        await bridge.send("created")
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1


async def test_a_rate_limit_is_waited_out_by_the_whole_workspace(tmp_path: Path) -> None:
    """Nothing is sent while Slack said to wait, to no channel, and nothing is dropped."""
    async with running(tmp_path) as bridge:
        bridge.slack.fail_next("chat.postMessage", RateLimit(1))
        await bridge.send("created")
        await eventually(lambda: bridge.slack.limited)
        await bridge.send("created", 1, id="other", bookingTypeTitle="Else")
        await bridge.settled()
        assert len(bridge.slack.messages()) == 2
        assert bridge.slack.violations == 0


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("not_in_channel", "invite the app there with /invite"),
        ("is_archived", "unarchive the channel"),
        ("channel_not_found", "check the name"),
        ("restricted_action", "ask the channel's or the workspace's owners"),
        ("no_text", "a mistake in the message"),
    ],
)
async def test_a_permanent_error_is_a_dead_letter_with_a_remedy(
    tmp_path: Path, error: str, remedy: str
) -> None:
    """It is visible with Slack's reason, frees the way, and can be tried again."""
    async with running(tmp_path) as bridge:
        bridge.slack.fail_next(
            "chat.postMessage", Refuse(error), times=2 if error == "channel_not_found" else 1
        )
        await bridge.send("created")
        await bridge.settled()
        (problem,) = await dead(bridge)
        assert problem.startswith(error)
        assert remedy in problem
        bridge.slack.clear_faults()
        history = History(bridge.service.database)
        assert await history.retry([], bridge.service.clock()) == 1
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 1


async def test_a_refused_token_pauses_sending_and_keeps_the_queue(tmp_path: Path) -> None:
    """/readyz says why with 503; when the token works again, sending resumes by itself."""
    async with running(tmp_path) as bridge:
        bridge.slack.revoke_token()
        await bridge.send("created")
        await bridge.send("created", 1, id="other")

        async def is_down() -> bool:
            return (await bridge.get("/readyz"))[0] == 503

        await eventually(is_down)
        _, answer = await bridge.get("/readyz")
        assert "token_revoked" in answer["parts"]["slack"]["why"]
        assert datetime.fromisoformat(answer["parts"]["slack"]["since"])
        assert await bridge.send("created", 2, id="third") == 202
        bridge.slack.restore_token()
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 3
        assert (await bridge.get("/readyz"))[0] == 200


@pytest.mark.parametrize("fault", [Drop(accepted=True), Drop(), Status(500), Refuse("internal_error")])
async def test_an_edit_whose_outcome_is_unknown_is_simply_repeated(tmp_path: Path, fault: Fault) -> None:
    """It says the same twice and harms nobody; its reply follows once."""
    async with running(tmp_path) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        bridge.slack.fail_next("chat.update", fault)
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        (card,) = bridge.posted("#sales")
        assert "Cancelled" in card.text
        assert len(bridge.replies("#sales")) == 1
        assert [call.method for call in bridge.slack.calls].count("chat.update") == 2


async def test_the_log_says_when_something_may_be_there_twice(tmp_path: Path) -> None:
    """Where Slack does not let us look, with what to do about it."""
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path) as bridge:
            bridge.slack.grant(["chat:write"])
            bridge.slack.fail_next("chat.postMessage", Drop(accepted=True))
            await bridge.send("created", 0)
            await bridge.settled()
            assert len(bridge.posted("#sales")) == 2
    (said,) = [line for line in lines if line["event"] == "delivery.sent_again_unseen"]
    assert said["log_level"] == "warning"
    assert "channels:history" in said["remedy"]


async def test_refused_blocks_are_sent_as_plain_text(tmp_path: Path) -> None:
    """What is wrong with them, and where, stays to be read."""
    told = {"response_metadata": {"messages": ["[ERROR] Alice is odd [json-pointer:/blocks/0/text]"]}}
    async with running(tmp_path) as bridge:
        bridge.slack.fail_next("chat.postMessage", Refuse("invalid_blocks", told))
        await bridge.send("created")
        await bridge.settled()
        (message,) = bridge.posted("#sales")
        assert message.blocks == ()
        assert "Intro Call with Alice Booker" in message.text
        (record,) = await History(bridge.service.database).deliveries()
        assert record.problem.startswith("sent as plain text; invalid_blocks (at /blocks/0/text): ")


async def test_one_bad_destination_does_not_hold_up_another(tmp_path: Path) -> None:
    """An outage of one channel is probed by one call at a time, while the others go on."""
    async with running(tmp_path) as bridge:
        channel = bridge.slack.channel("sales").id
        bridge.slack.fail_next(
            "chat.postMessage",
            Refuse("service_unavailable"),
            times=None,
            match=lambda arguments: arguments["channel"] in {channel, "#sales", "sales"},
        )
        for number in range(20):
            await bridge.send("created", number, id=f"s{number}")
        for number in range(5):
            await bridge.send("created", number, id=f"b{number}", bookingTypeTitle="Else")
        await eventually(lambda: len(bridge.posted("#bookings")) == 5)
        calls = len(bridge.slack.calls)
        await asyncio.sleep(1.5)
        assert len(bridge.slack.calls) - calls <= 3
        bridge.slack.clear_faults()
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 20


async def test_after_a_restart_what_waited_is_sent(tmp_path: Path) -> None:
    """Events acknowledged while Slack was away are delivered by the next process, once."""
    async with running(tmp_path) as first:
        slack = first.slack
        await slack.stop()
        for number in range(5):
            assert await first.send("created", number, id=f"b{number}") == 202
        await slack.start()
        await slack.stop()
        await asyncio.sleep(0.2)
        slack_kept = slack
    await slack_kept.start()
    async with running(tmp_path, slack=slack_kept) as second:
        await second.settled()
        assert len(second.posted("#sales")) == 5
    await slack_kept.stop()


async def test_what_is_settled_while_others_are_claimed_frees_the_way_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL both go on side by side: neither may leave the next of a booking to the slow poll."""
    monkeypatch.setattr("bridge.courier.courier._IDLE", 10_000.0)
    monkeypatch.setattr("bridge.database.notifications._LOOK_SECONDS", 10_000.0)
    async with running(tmp_path) as bridge:
        service, go_on = bridge.service, asyncio.Event()
        claim, send = service.deliveries.claim, service.courier._sender.send

        async def held_up(*arguments: Any) -> Settlement:
            await go_on.wait()
            return await send(*arguments)

        async def slow(*arguments: Any, **named: Any) -> Claimed:
            claimed = await claim(*arguments, **named)
            if claimed.more:  # the first is being sent, the second waits for it
                go_on.set()
                await eventually(lambda: not service.courier.claims())
            return claimed

        monkeypatch.setattr(service.courier._sender, "send", held_up)
        monkeypatch.setattr(service.deliveries, "claim", slow)
        await bridge.send("created")
        await eventually(service.courier.claims)
        await bridge.send("rescheduled", 1)
        await eventually(lambda: bridge.replies("#sales"))


@pytest.mark.parametrize("rate", [0, 60])
async def test_the_settings_pace_channels_the_workspace_and_edits(tmp_path: Path, rate: int) -> None:
    """Posts, and edits of cards, take from what all replicas share; unpaced, nothing is taken."""
    rates: dict[str, Any] = {"bridge_channel_rate": rate / 60, "bridge_workspace_rate": rate}
    async with running(tmp_path, **rates) as bridge:
        await bridge.send("created", 0)
        await bridge.settled()
        await bridge.send("cancelled", 1, status="CANCELLED")
        await bridge.settled()
        gates = await bridge.service.deliveries.gates.all()
        taken = {key for key, gate in gates.items() if gate.full_at}
        assert taken == ({"#sales", "workspace", "edits"} if rate else set())
