"""No post is refused for its speed: not by the schedule, whatever the delays, and not by Slack's stand-in."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.pacing import (
    CHANNEL_BURST,
    EDITS_A_MINUTE,
    JITTER,
    Pace,
    Spacing,
    channel_pace,
    minute_pace,
)
from bridge.pacer import Pacer
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_limits import Limits, Meter
from bridge.slack import Slack
from tests.service.bridge import running

NOW = datetime(2026, 7, 6, tzinfo=UTC)
PACE = Pace(timedelta(seconds=1), CHANNEL_BURST)
TO_STORM = 'version: 1\nrules: [{name: storm, post: {to: "#storm", style: post}}]\n'
DELAYS = st.tuples(st.floats(0, 9), st.floats(0, 9))


def sent(delays: list[tuple[float, float]]) -> list[float]:
    """When calls arrive that all want to go at 0 and take these seconds there and back."""
    spacing, now, arrived = Spacing(PACE), 0.0, []
    ends: list[tuple[float, int]] = []
    for there, back in delays:
        while (wait := spacing.wait(now)) > 0:
            if ends and ends[0][0] <= now + wait:
                now, number = heapq.heappop(ends)
                spacing.end(number, now)
            else:
                now += wait
        heapq.heappush(ends, (now + there + back, spacing.begin()))
        arrived.append(now + there)
    return sorted(arrived)


@given(st.lists(DELAYS, max_size=40))
def test_whatever_the_delays_arrivals_keep_to_the_pace(delays: list[tuple[float, float]]) -> None:
    """Slack's allowance, counted where calls arrive, is never overdrawn."""
    at = 0.0
    meter = Meter(Limits(channel_rate=1, workspace_rate=0, tolerance=1e-9), clock=lambda: at)
    for at in sent(delays):  # noqa: B007 - the meter's clock
        assert meter.refuse("chat.postMessage", "C1") is None


@pytest.mark.parametrize("latency", [0.0, 0.1, 2.0])
def test_a_steady_delay_costs_no_speed(latency: float) -> None:
    """The first burst waits for its answers, once; then one goes every second."""
    arrived = sent([(latency, 0.0)] * 100)
    assert arrived[-1] == pytest.approx(100 - CHANNEL_BURST + 2 * latency)


@pytest.mark.parametrize("a_minute", [1, 6, EDITS_A_MINUTE, 300])
def test_no_minute_sees_more_than_it_may(a_minute: int) -> None:
    """However greedily it is taken; only one a minute is overdrawn, by its first."""
    pace = minute_pace(a_minute)
    assert pace is not None
    now, full_at, passed = NOW, None, []
    while now < NOW + timedelta(minutes=3):
        if (taken := pace.take(full_at, now)) is not None:
            full_at = taken
            passed.append(now)
        else:
            now += timedelta(seconds=0.1)
    most = max(sum(at <= one < at + timedelta(minutes=1) for one in passed) for at in passed)
    assert most <= a_minute + (a_minute < 2)


def test_a_card_in_five_places_changes_in_all_at_once() -> None:
    pace, full_at = minute_pace(EDITS_A_MINUTE), None
    assert pace is not None
    for _ in range(5):
        full_at = pace.take(full_at, NOW)
        assert full_at is not None
    assert pace.take(full_at, NOW) is None


def test_the_gates_permits_need_no_second_wait() -> None:
    """What comes by the permits of a gate, with delays as small as it expects, goes at once."""
    pace = channel_pace(1)
    assert pace is not None
    random.seed(1)
    interval, spacing = pace.interval.total_seconds(), Spacing(pace)
    later = [interval + JITTER.total_seconds() + n * interval for n in range(50)]
    ends: list[tuple[float, int]] = []
    for now in [0.0] * CHANNEL_BURST + later:
        while ends and ends[0][0] <= now:
            end, number = heapq.heappop(ends)
            spacing.end(number, end)
        assert spacing.wait(now) <= 1e-9
        heapq.heappush(ends, (now + random.uniform(0, JITTER.total_seconds()), spacing.begin()))


async def test_what_is_idle_is_forgotten() -> None:
    """However many hosts are written to, no more lines are kept than are needed."""
    now = 0.0
    pacer = Pacer(PACE, clock=lambda: now)
    for number in range(2_000):
        now += 10
        async with pacer.turn(f"@{number}"):
            pass
    assert len(pacer._queues) <= 500


@pytest.fixture
async def strict() -> AsyncIterator[SlackStandIn]:
    """Slack with the very limit that the bridge is set to."""
    stand_in = SlackStandIn(limits=Limits(channel_rate=5, workspace_rate=0))
    stand_in.add_channel("storm")
    await stand_in.start()
    yield stand_in
    await stand_in.stop()


async def test_calls_held_up_on_their_way_are_not_too_fast(
    strict: SlackStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the permit and Slack a busy machine holds up five of ten calls: no 429 for that."""
    deliver, calls = Slack._deliver, iter(range(100))

    async def held_up(slack: Slack, method: str, arguments: dict[str, object]) -> object:
        if next(calls) % 10 < 5:
            await asyncio.sleep(1)
        return await deliver(slack, method, arguments)

    monkeypatch.setattr(Slack, "_deliver", held_up)
    async with running(tmp_path, rules=TO_STORM, slack=strict, bridge_channel_rate=5) as bridge:
        await asyncio.gather(*(bridge.send("created", number, id=f"b{number}") for number in range(15)))
        await bridge.settled()
        assert strict.limited == []
        assert len(bridge.posted("#storm")) == 15
