"""/readyz: each part that is not well, since when and why; 503 only when the job cannot be done."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.sandbox.faults import Fault, RateLimit, Status
from bridge.web.webhook import PATH
from tests.service.bridge import Bridge, eventually, running


async def part(bridge: Bridge, name: str) -> dict[str, Any]:
    _, answer = await bridge.get("/readyz")
    found: dict[str, Any] = answer["parts"][name]
    return found


@pytest.mark.parametrize("fault", [Status(500), RateLimit(60)], ids=["failing", "limited"])
async def test_slack_is_degraded_since_then(tmp_path: Path, fault: Fault) -> None:
    """The queue waits and webhooks are taken, so the answer is 200."""
    async with running(tmp_path) as bridge:
        bridge.slack.fail_next("chat.postMessage", fault, times=None)
        await bridge.send("created")

        async def is_degraded() -> bool:
            return bool((await part(bridge, "slack"))["state"] == "degraded")

        await eventually(is_degraded)
        slack = await part(bridge, "slack")
        assert datetime.fromisoformat(slack["since"]) <= bridge.service.clock()
        assert slack["why"]
        assert (await bridge.get("/readyz"))[0] == 200
        assert "alice" not in str(await bridge.get("/readyz")).lower()


async def test_what_is_well_is_so_since_the_start(tmp_path: Path) -> None:
    """Not since somebody first asked."""
    async with running(tmp_path) as bridge:
        started = bridge.service.clock()
        await asyncio.sleep(0.01)
        _, answer = await bridge.get("/readyz")
    assert [
        name for name, one in answer["parts"].items() if datetime.fromisoformat(one["since"]) > started
    ] == []


async def test_no_answer_tells_versions(tmp_path: Path) -> None:
    """Of Python and aiohttp: they would tell whoever looks for an unmended weakness where to try."""
    async with running(tmp_path) as bridge, aiohttp.ClientSession(bridge.service.url) as session:
        for method, path in (("GET", "/healthz"), ("GET", "/nothing"), ("PUT", "/metrics"), ("POST", PATH)):
            async with session.request(method, path) as answer:
                assert answer.headers["Server"] == "booking-bridge"


async def test_a_lost_database_is_down_since_it_was_seen(tmp_path: Path) -> None:
    """503, and the same time however often it is asked."""
    async with running(tmp_path) as bridge:
        _, well = await bridge.get("/readyz")
        assert all(datetime.fromisoformat(one["since"]) for one in well["parts"].values())
        async with bridge.service.database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE gates RENAME TO gone")
        status, first = await bridge.get("/readyz")
        await asyncio.sleep(0.01)
        _, second = await bridge.get("/readyz")
        assert status == 503
        assert first["parts"]["database"]["state"] == "down"
        assert first["parts"]["database"]["since"] == second["parts"]["database"]["since"]
        assert first["parts"].keys() == well["parts"].keys()
        assert first["parts"]["slack"]["state"] == "unknown"
        async with bridge.service.database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE gone RENAME TO gates")
        back = await part(bridge, "database")
        assert (back["state"], "why" in back) == ("ok", False)
        assert back["since"] > first["parts"]["database"]["since"]


async def test_a_database_that_hangs_is_told_of_in_time(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches gives up after some seconds, and would know nothing. It is asked but once meanwhile."""
    monkeypatch.setattr("bridge.readiness._PATIENCE", 0.3)
    async with running(tmp_path, database_url=postgres_url) as bridge:
        assert (await bridge.get("/readyz"))[0] == 200
        async with bridge.service.database.write() as connection:
            await connection.exec_driver_sql("LOCK TABLE gates, deliveries IN ACCESS EXCLUSIVE MODE")
            for _ in range(8):
                status, answer = await bridge.get("/readyz")
                assert status == 503
            assert answer["parts"]["database"]["why"].startswith("no answer in time")
            assert "booking_bridge_rules_valid" in (await bridge.get("/metrics"))[1]
        await eventually(lambda: _is_ready(bridge))


async def _is_ready(bridge: Bridge) -> bool:
    return (await bridge.get("/readyz"))[0] == 200
