"""The bridge in its own process, between outages: Slack's storms, clocks, disks and floods."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import psutil
import pytest

from bridge.sandbox.slack_limits import Limits
from tests.faults.processes import Kill
from tests.faults.world import gathered, world
from tests.service.bridge import PATIENT, eventually

pytestmark = pytest.mark.no_cover  # what it is about runs in processes of its own

TROUBLES = (
    {"kind": "refuse", "code": "service_unavailable"},
    {"kind": "refuse", "code": "fatal_error", "accepted": True},
    {"kind": "refuse", "code": "internal_error"},
    {"kind": "refuse", "code": "invalid_blocks"},
    {"kind": "drop"},
    {"kind": "drop", "accepted": True},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 500, "accepted": True},
    {"kind": "broken_json", "accepted": True},
    {"kind": "rate_limit", "retry_after": 1},
    {"kind": "rate_limit", "retry_after": 1, "header": False},
)


async def test_every_trouble_and_a_kill(tmp_path: Path) -> None:
    """Slack fails in every way, each in a channel of its own, and the process dies: each event once."""
    rules = ["version: 1", "rules:"]
    rules += [
        f'  - {{name: r{n}, when: {{type: T{n}}}, post: {{to: "#t{n}", style: post}}}}'
        for n in range(len(TROUBLES))
    ]
    async with world(tmp_path, rules="\n".join(rules)) as place:
        for number, fault in enumerate(TROUBLES):
            channel = f"#t{number}"
            await place.order("channel", name=channel.removeprefix("#"))
            await place.order("fail", method="chat.postMessage", fault=fault, match={"channel": channel})
        first = await place.bridge(Kill("accepted by slack", 3))
        for number in range(len(TROUBLES)):
            await place.send(first, "created", f"b{number}", number, bookingTypeTitle=f"T{number}")
        await first.died()
        second = await place.bridge()
        for number in range(len(TROUBLES)):
            await place.send(second, "created", f"b{number}", number, bookingTypeTitle=f"T{number}")
            await place.send(second, "cancelled", f"b{number}", 99, bookingTypeTitle=f"T{number}")
        await place.settled()
        await place.check()


async def test_six_messages_to_a_slow_channel_hold_up_nobody(tmp_path: Path) -> None:
    """After a burst of five they wait for minutes; beside it another channel's message goes at once."""
    async with world(tmp_path, limits=Limits(), bridge_channel_rate=0.005) as place:
        bridge = await place.bridge()
        slow = [
            place.send(bridge, "created", f"b{number}", number, bookingTypeTitle="Storm")
            for number in range(6)
        ]
        await gathered(slow)
        await place.send(bridge, "created", "quick", 0)
        async with asyncio.timeout(PATIENT):
            while not await place.look("messages", channel="#sales"):
                await asyncio.sleep(0.02)
        assert len(await place.look("messages", channel="#storm")) <= 5


async def test_paced_ahead_of_the_limit(tmp_path: Path) -> None:
    """A storm in one channel meets no 429, however busy the machine; `make bench` measures the speed."""
    limits = Limits(channel_rate=5, channel_burst=5, workspace_rate=0)
    async with world(tmp_path, limits=limits, bridge_channel_rate=5) as place:
        bridge = await place.bridge()
        events = [
            place.send(bridge, "created", f"b{number}", number, bookingTypeTitle="Storm")
            for number in range(25)
        ]
        await gathered(events)
        await place.settled()
        assert await place.look("limited") == []
        assert len(await place.look("messages", channel="#storm")) == 25
        await place.check()


async def test_the_clock_is_set_back(tmp_path: Path) -> None:
    """What waits does not wait for the old time, and what was sent is still found."""
    async with world(tmp_path) as place:
        bridge = await place.bridge(ahead=1800)
        await place.order(
            "fail",
            method="chat.postMessage",
            fault={"kind": "drop", "accepted": True},
            match={"channel": "#storm"},
        )
        await place.order("fail", method="chat.postMessage", fault={"kind": "drop"})
        await place.send(bridge, "created", "b", 0, bookingTypeTitle="Storm")

        async def is_to_be_tried_again() -> bool:
            return any(record.state == "waiting" and record.error for record in await place.deliveries())

        await eventually(is_to_be_tried_again)
        bridge.clock.value = 0
        await place.send(bridge, "created", "c", 1)
        await place.settled()
        await place.check()


async def test_a_full_disk_is_waited_out(tmp_path: Path) -> None:
    """503 while nothing can be written, no crash, and all by itself 202 when there is space again."""
    async with world(tmp_path) as place:
        bridge = await place.bridge()
        assert await place.send(bridge, "created", "before", 0, bookingTypeTitle="Storm") == 202
        await place.settled()
        size = max(file.stat().st_size for file in tmp_path.glob("bridge.db*"))
        no_limit = resource.RLIM_INFINITY
        resource.prlimit(bridge.pid, resource.RLIMIT_FSIZE, (size, no_limit))
        statuses = [
            await place.send(bridge, "created", f"during{number}", number, note="x" * 60_000)
            for number in range(8)
        ]
        assert statuses[-1] == 503
        status, parts = await place.ready(bridge)
        assert (status, parts["database"]["state"]) == (503, "down")
        await asyncio.sleep(2.5)  # the workers meet it too
        resource.prlimit(bridge.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))
        assert bridge.is_alive
        assert await place.send(bridge, "created", "after", 9, bookingTypeTitle="Storm") == 202
        status, parts = await place.ready(bridge)
        assert (status, parts["database"]["state"]) == (200, "ok")
        await place.settled()
        await place.check()


async def test_a_flood_is_taken_in_little_memory(tmp_path: Path) -> None:
    """1,500 events over 64 connections, again when the machine was too slow: delivered, under 300 MB."""
    async with world(tmp_path) as place:
        bridge = await place.bridge()
        turn = asyncio.Semaphore(64)

        async def one(number: int) -> None:
            async with turn:
                event = ("created", f"b{number}", number)
                while await place.send(bridge, *event, bookingTypeTitle="Storm") == 503:
                    pass

        await gathered([one(number) for number in range(1_500)])
        assert len({sent.id for sent in place.sent if sent.acknowledged}) == 1_500
        await place.settled()
        assert psutil.Process(bridge.pid).memory_info().rss < 300 * 2**20
        await place.check()


async def test_idle_is_idle(tmp_path: Path) -> None:
    """With nothing to do it hardly ever wakes up."""
    async with world(tmp_path) as place:
        bridge = await place.bridge()
        await place.send(bridge, "created", "b", 0)
        await place.settled()
        process = psutil.Process(bridge.pid)
        await asyncio.sleep(1)
        before = process.num_ctx_switches().voluntary
        await asyncio.sleep(3)
        assert process.num_ctx_switches().voluntary - before < 100
