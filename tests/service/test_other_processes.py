"""Other processes on the same database: one that holds it, one that asks for something, one that stops."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bridge.courier import courier
from bridge.database import open_database
from bridge.sandbox.faults import Refuse
from bridge.sandbox.slack import SlackStandIn
from bridge.store.history import History
from tests.service.bridge import Bridge, eventually, running


async def test_a_locked_database_is_503_while_it_is_locked(tmp_path: Path) -> None:
    """Somebody holds SQLite's lock for longer than Copera waits; afterwards all goes on."""
    async with running(tmp_path) as bridge:
        assert await bridge.send("created", 0) == 202
        await bridge.settled()
        path = tmp_path / "bridge.db"
        holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        await asyncio.to_thread(holder.execute, "BEGIN IMMEDIATE")
        assert await bridge.send("created", 1, id="other") == 503
        holder.execute("ROLLBACK")
        holder.close()

        async def stored() -> bool:
            return await bridge.send("created", 1, id="other") in {200, 202}

        await eventually(stored)
        await bridge.settled()
        assert len(bridge.posted("#sales")) == 2


async def test_what_another_process_asks_for_is_done_soon(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command beside the service writes into the same database; the service notices, and not by chance."""
    monkeypatch.setattr(courier, "_IDLE", 3600.0)  # it does not look unasked
    async with running(tmp_path, database_url=database_url) as bridge:
        bridge.slack.fail_next("chat.postMessage", Refuse("is_archived"))
        await bridge.send("created", 0)
        await bridge.settled()
        await asyncio.sleep(1.5)  # idle again
        beside = await open_database(database_url or f"sqlite:///{tmp_path / 'bridge.db'}")
        await History(beside).retry([], bridge.service.clock())
        await beside.close()
        await eventually(lambda: bridge.posted("#sales"))


async def test_what_a_stopping_replica_held_up_goes_on_at_once(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last call ends when it claims nothing more; the other hears of it, and not by looking."""
    monkeypatch.setattr(courier, "_IDLE", 3600.0)
    slack = SlackStandIn()
    slack.add_channel("sales")
    await slack.start()
    (tmp_path / "two").mkdir()
    options: dict[str, Any] = {"database_url": postgres_url, "slack": slack}
    async with running(tmp_path, **options) as first:
        released = asyncio.Event()
        sender = first.service.courier._sender
        send = sender.send

        async def held_up(*arguments: Any) -> Any:
            settlement = await send(*arguments)
            await released.wait()
            return settlement

        monkeypatch.setattr(sender, "send", held_up)
        await first.send("created", 0)
        await eventually(lambda: first.posted("#sales"))
        async with running(tmp_path / "two", **options) as second:
            await first.send("cancelled", 1, status="CANCELLED")
            await eventually(lambda: _waits(second))
            await asyncio.sleep(0.5)  # it has looked, and the card is the first one's
            stopping = asyncio.create_task(first.service.close())
            await eventually(lambda: first.service.courier._stopping)
            released.set()
            await stopping
            await second.settled()
            assert len(second.replies("#sales")) == 1
    await slack.stop()


async def _waits(bridge: Bridge) -> bool:
    return (await bridge.service.queue()).waiting == 1
