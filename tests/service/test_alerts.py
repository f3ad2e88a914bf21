"""The bridge's own trouble in its channel: once a minute at most, and nothing forgotten meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from bridge.alerts import SHARED, Alerts
from bridge.database import Database
from bridge.pacer import Pacer
from bridge.sandbox.faults import RateLimit
from bridge.sandbox.slack import SlackStandIn
from bridge.slack import Slack
from bridge.store.facts import Facts
from bridge.store.gates import Claimant, Gates
from bridge.store.history import History
from tests.service.bridge import eventually


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 7, 6, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    stand_in = SlackStandIn()
    stand_in.add_channel("ops")
    await stand_in.start()
    yield stand_in
    await stand_in.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def alerts(database: Database, slack: SlackStandIn, clock: Clock) -> AsyncIterator[Alerts]:
    async with aiohttp.ClientSession() as session:
        running = Alerts(
            Slack(session, token=slack.token, api_url=slack.api_url, webhooks={}),
            lambda: "#ops",
            facts=Facts(database),
            gates=Gates(database),
            history=History(database),
            claimant=Claimant("me", None, None, None),
            pacer=Pacer(None),
            clock=clock,
        )
        task = asyncio.create_task(running.run())
        yield running
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_file_that_is_good_again_within_a_minute_is_told(
    alerts: Alerts, slack: SlackStandIn, clock: Clock
) -> None:
    """The second alert waits for its minute; it is not lost meanwhile."""
    await alerts.report(SHARED, "rules.yaml is bad")
    await eventually(lambda: slack.posted == 1)
    await alerts.report(SHARED, "rules.yaml is good again")
    await asyncio.sleep(2.5)
    assert slack.posted == 1
    clock.now += timedelta(minutes=1, seconds=1)
    await eventually(lambda: slack.posted == 2)
    assert "good again" in slack.messages("#ops")[-1].text


async def test_an_alert_that_slack_put_off_is_told_later(
    alerts: Alerts, slack: SlackStandIn, clock: Clock
) -> None:
    slack.fail_next("chat.postMessage", RateLimit(1))
    await alerts.report(SHARED, "rules.yaml is bad")
    await eventually(lambda: slack.limited)
    clock.now += timedelta(minutes=2)
    await eventually(lambda: slack.posted == 1)


async def test_dead_deliveries_are_told_with_what_to_do(alerts: Alerts, slack: SlackStandIn) -> None:
    """The most frequent first, those beyond ten counted, and at the end how to see and to send them."""
    for number in range(12):
        await alerts.report("dead deliveries", f"#c{number}: not_in_channel: invite the app there")
    await alerts.report("dead deliveries", "#c7: not_in_channel: invite the app there")
    await eventually(lambda: slack.posted == 1)
    (alert,) = slack.messages("#ops")
    lines = alert.text.splitlines()
    assert lines[1] == "#c7: not_in_channel: invite the app there (2 times)"
    assert lines[11] == "and 2 more"
    assert "booking-bridge deliveries list --state dead " in lines[12]
    assert "booking-bridge deliveries retry --all " in lines[12]
