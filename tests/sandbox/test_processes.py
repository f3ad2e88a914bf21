"""The stand-ins as processes of their own, driven over their control surface."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp


@asynccontextmanager
async def running(module: str, *options: str) -> AsyncIterator[str]:
    """Run a stand-in; yield its API address and see that it ends well."""
    command = [sys.executable, "-m", f"bridge.sandbox.{module}", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), 120)).decode().strip()
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 120) == 0


async def test_slack(session: aiohttp.ClientSession) -> None:
    """Order a fault, meet it, read what was stored, delete it, revoke the token."""
    async with running("slack", "--token", "xoxb-1", "--strict", "--no-limits", "--channel", "sales") as api:
        control = api.replace("/api/", "/_control/")

        async def order(name: str, /, **body: Any) -> Any:
            async with session.post(control + name, json=body) as response:
                assert response.status == 200, await response.text()
                return await response.json()

        async def post(**body: Any) -> Any:
            headers = {"Authorization": "Bearer xoxb-1"}
            async with session.post(api + "chat.postMessage", json=body, headers=headers) as response:
                return await response.json()

        assert (await order("user", name="Ana Lima", email="ana@example.com", id="U0ANA"))["id"] == "U0ANA"
        await order("fail", method="chat.postMessage", fault={"kind": "refuse", "code": "fatal_error"})
        assert (await post(channel="sales", text="x"))["error"] == "fatal_error"
        sent = await post(channel="sales", text="x")
        async with session.get(control + "messages", params={"channel": "#sales"}) as response:
            [message] = await response.json()
        assert (message["ts"], message["content"]["text"]) == (sent["ts"], "x")
        await order("delete_message", channel="sales", ts=sent["ts"])
        await order("channel", name="sales", archived=True)
        assert (await post(channel="sales", text="x"))["error"] == "is_archived"
        await order("token", error="token_revoked")
        assert (await post(channel="sales", text="x"))["error"] == "token_revoked"
        async with session.get(control + "state") as response:
            assert (await response.json())["posted"] == 1
        async with session.get(control + "calls", params={"method": "chat.postMessage"}) as response:
            assert [call["outcome"] for call in await response.json()] == [
                "fatal_error",
                "ok",
                "is_archived",
                "token_revoked",
            ]
        async with session.post(control + "fail", json={"fault": {"kind": "explode"}}) as response:
            assert response.status == 400


async def test_copera(session: aiohttp.ClientSession) -> None:
    """Book, cancel and list over HTTP; the webhook's fate is in the answer."""
    async with running("copera", "--bookings", "30", "--webhook", "http://127.0.0.1:1/") as api:
        control = api.replace("/public/v1", "/_control/")
        booking = {
            "type": "Intro Call",
            "start": "2026-07-08T15:00:00Z",
            "booker": {"name": "Alice", "email": "alice@example.com"},
            "withhold": True,
        }
        async with session.post(control + "create", json=booking) as response:
            made = await response.json()
        assert made["envelope"]["event"] == "booking.created"
        async with session.post(control + "cancel", json={"uid": made["uid"], "withhold": True}) as response:
            assert (await response.json())["envelope"]["data"]["status"] == "CANCELLED"
        headers = {"Authorization": "Bearer cp_pat_sandbox"}
        async with session.get(api + "/bookings", params={"limit": "100"}, headers=headers) as response:
            listed = (await response.json())["bookings"]
        assert (len(listed), listed[0]["uid"]) == (31, made["uid"])
        async with session.post(control + "cancel", json={"uid": "nobody"}) as response:
            assert response.status == 400
