"""What was there before a first refresh, a long pause or a restored backup is the baseline."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bridge.core.slack_values import METADATA
from bridge.sandbox.faults import Drop
from bridge.sandbox.slack_records import Content
from bridge.sandbox.slack_workspace import SCOPES
from tests.repair.conftest import CARDS, World, looked, states


@pytest.mark.no_cover  # it takes long, and runs what the others do
async def test_a_fresh_install_posts_nothing(world: World, database_url: str) -> None:
    """5,000 bookings that were there are the baseline; the next one is posted (PostgreSQL: 700)."""
    world.copera.load(5000 if database_url.startswith("sqlite") else 700)
    async with world.run() as bridge:
        await looked(bridge)
        assert world.slack.messages() == []
        assert await states(bridge) == []
        later = next(
            booking.uid
            for booking in world.copera.calendar.bookings.values()
            if booking.start > world.day and booking.status == "CONFIRMED"
        )
        world.book()
        world.copera.calendar.cancel(later)
        await looked(bridge)
        assert len(world.cards()) == 2


async def test_an_old_backup_floods_nobody(world: World) -> None:
    """What changed before a refresh long ago and now is the baseline; what changes then is posted."""
    async with world.run(clock=lambda: datetime.now(UTC) - timedelta(days=3)) as bridge:
        await looked(bridge)
    for _ in range(20):
        world.book()
    async with world.run() as bridge:
        await looked(bridge)
        assert world.slack.messages() == []
        world.book(start=world.day + timedelta(days=1))
        await looked(bridge)
        assert len(world.cards()) == 1


async def copied(world: World, url: str) -> Callable[[], None]:
    """Make a backup; what is returned brings it back."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        copy = file.with_suffix(".backup")
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)

        def restore() -> None:
            for part in ("-wal", "-shm"):
                file.with_name(file.name + part).unlink(missing_ok=True)
            copy.replace(file)

        return restore
    tool = partial(subprocess.run, check=True, capture_output=True, timeout=60)
    if not shutil.which("pg_dump"):
        pytest.skip("PostgreSQL's client programs are not installed")
    dump = await asyncio.to_thread(tool, ["pg_dump", "--format=custom", url])

    def bring_back() -> None:
        clean = ["--clean", "--if-exists", "--no-owner", f"--dbname={url}"]
        tool(["pg_restore", *clean], input=dump.stdout)

    return bring_back


@pytest.mark.parametrize("trouble", ["", "Slack is away", "may not look"])
async def test_a_young_backup_floods_nobody(world: World, database_url: str, trouble: str) -> None:
    """Slack holds messages that a backup of an hour ago knows nothing of: nothing is posted again.

    While Slack does not answer that is not known, and nothing is posted; where the app may not look, what
    still matters is posted as after a pause.
    """
    async with world.run() as bridge:
        await looked(bridge)
        await world.copera.send(world.book())
        await bridge.settled()
        await looked(bridge)
        restore = await copied(world, database_url)
        for day in range(1, 4):
            await world.copera.send(world.book(start=world.day + timedelta(days=day)))
        await bridge.settled()
        assert len(world.cards()) == 4
    await asyncio.to_thread(restore)
    if trouble == "may not look":
        world.slack.grant(set(SCOPES) - {"channels:history"})
    if trouble == "Slack is away":
        world.slack.fail_next("conversations.history", Drop(), times=None)
    async with world.run() as bridge:
        if trouble == "Slack is away":
            mirror = bridge.service.mirror
            assert mirror is not None
            await mirror.refresh()
            assert await bridge.service.repair.repair() == 0
            world.slack.clear_faults()
        await looked(bridge)
        assert len(world.cards()) == (7 if trouble == "may not look" else 4)
        world.book(start=world.day + timedelta(days=9))
        await looked(bridge)
        assert len(world.cards()) == (8 if trouble == "may not look" else 5)


async def test_the_messages_of_another_bridge_make_no_backup(world: World) -> None:
    """A second one, for trials say, posts to the same channel with a token of its own."""
    async with world.run() as bridge:
        await looked(bridge)
        await world.copera.send(world.book())
        await bridge.settled()
        await looked(bridge)
    (ours,) = world.cards()
    payload = {"event_type": METADATA, "event_payload": {"event": "f" * 64}}
    workspace, channel = world.slack.workspace, world.slack.channel(ours.channel)
    workspace.store(channel, Content("of another app"), "U0OTHER", "webhook:OTHER", metadata=payload)
    world.book(start=world.day + timedelta(days=1))
    async with world.run() as bridge:
        await looked(bridge)
        assert len(world.cards()) == 3  # theirs, too


async def test_after_a_pause_only_what_still_matters_is_posted(world: World) -> None:
    """A day and a half away: what lies ahead is told, what is over is not."""

    def then() -> datetime:
        return datetime.now(UTC) - timedelta(days=1.5)

    soon = world.book(start=datetime.now(UTC) - timedelta(hours=2))
    async with world.run(clock=then) as bridge:
        await looked(bridge)
    world.copera.calendar.cancel(soon.uid)
    world.book(start=datetime.now(UTC) - timedelta(hours=3))
    world.book()
    async with world.run() as bridge:
        await looked(bridge)
        (card,) = world.cards()
        assert "Cancelled" not in card.text


async def test_repair_can_be_switched_off(world: World) -> None:
    """Nothing is posted then, nor when it is switched on later."""
    off = CARDS + "settings: {repair: off}\n"
    async with world.run(rules=off) as bridge:
        await looked(bridge)
        world.book()
        await looked(bridge)
    async with world.run() as bridge:
        await looked(bridge)
        assert world.slack.messages() == []
        world.book(start=world.day + timedelta(days=1))
        await looked(bridge)
        assert len(world.cards()) == 1
