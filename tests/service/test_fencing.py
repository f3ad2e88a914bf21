"""A process that was stopped in a call: what it does when it goes on, with its claim long taken over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.courier.clock import SharedClock
from bridge.database import Database
from bridge.fencing import fenced, tracing
from tests.service.bridge import running


def lasting(times: int) -> Callable[[], bool]:
    """Holds when asked so often, and then no more."""
    answers = iter([True] * times)
    return lambda: next(answers, False)


@pytest.mark.parametrize("may_leave", [True, False])
async def test_a_call_that_may_not_leave_any_more_does_not(may_leave: bool) -> None:
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response()

    application = web.Application()
    application.router.add_post("/", take)
    async with TestServer(application) as server, aiohttp.ClientSession(trace_configs=[tracing()]) as session:
        with fenced(lambda: may_leave) as fence:
            if may_leave:
                await (await session.post(server.make_url("/"), json={"a": 1})).read()
            else:
                with pytest.raises(aiohttp.ClientError):
                    await session.post(server.make_url("/"), json={"a": 1})
        assert fence.refused is not may_leave
        await (await session.post(server.make_url("/"), json={"b": 1})).read()  # what nobody watches goes
    assert len(bodies) == 1 + may_leave


async def test_a_claim_that_ran_out_within_the_call_says_nothing_to_slack(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked before the call and when the body leaves; the second time it is somebody else's."""
    async with running(tmp_path, database_url=postgres_url) as bridge:
        held = bridge.service.courier._holds
        first = lasting(1)
        tries: list[int] = []

        def holds(seq: int) -> bool:
            tries.append(seq)
            return first() if len(tries) <= 2 else held(seq)

        monkeypatch.setattr(bridge.service.courier, "_holds", holds)
        await bridge.send("created", 0)
        await bridge.settled()
        assert len(tries) == 4  # refused once, and then sent
        assert [call.method for call in bridge.slack.calls].count("chat.postMessage") == 1
        assert len(bridge.posted("#sales")) == 1


async def test_a_clock_is_not_compared_by_an_answer_that_took_long() -> None:
    """A process that was stopped while it asked would else be behind by half of that: its claims would
    run out as they are made."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    stops = [timedelta(0), timedelta(seconds=30), timedelta(0)]

    class Asked:
        is_sqlite = False

        async def now(self) -> datetime:
            nonlocal now
            theirs = now + timedelta(minutes=5)
            now += stops.pop(0)
            return theirs

    clock = SharedClock(cast("Database", Asked()), lambda: now)
    for _ in range(3):
        await clock.set()
        assert clock() - now == timedelta(minutes=5)
