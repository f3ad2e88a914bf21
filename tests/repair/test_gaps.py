"""Gaps through the real service: what no webhook told shows once, and a late webhook adds nothing."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge.core.slack_values import METADATA
from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_calendar import Envelope, Ids
from bridge.sandbox.copera_load import populate
from bridge.sandbox.faults import Drop, Status
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Content, Message
from bridge.sandbox.slack_workspace import SCOPES
from bridge.store.history import History
from bridge.store.repair import Repairs
from bridge.tables.repair import repairs as rights
from tests import postgres
from tests.service.bridge import Bridge, eventually, running

CARDS = 'version: 1\nrules: [{name: all, post: {to: "#sales"}}]\n'
POSTS = 'version: 1\nrules: [{name: all, post: {to: "#sales", style: post}}]\n'
both_ids = pytest.mark.parametrize("ids", ["different", "equal"])
both_rules = pytest.mark.parametrize(
    ("database_url", "ids", "rules"),
    [
        ("sqlite", "different", CARDS),
        ("sqlite", "equal", POSTS),
        ("postgresql", "different", POSTS),
        ("postgresql", "equal", CARDS),
    ],
    ids=["sqlite-different-card", "sqlite-equal-post", "postgresql-different-post", "postgresql-equal-card"],
    indirect=["database_url"],
)
"""Each form of one of the three with each form of another, in half of all turns."""
NOTE = "found while catching up"
PATIENCE = timedelta(seconds=0.05)
ALICE = {"name": "Alice Booker", "email": "alice@example.com"}


@dataclass
class World:
    """The two stand-ins and one database; `run` is a process of the bridge between them."""

    copera: CoperaStandIn
    slack: SlackStandIn
    run: Callable[..., AbstractAsyncContextManager[Bridge]]
    day: datetime

    def book(self, **changes: Any) -> Envelope:
        """A booking a week ahead, its webhook not sent."""
        return self.copera.calendar.create("Intro Call", **{"start": self.day, "booker": ALICE, **changes})

    def cards(self) -> list[Message]:
        return [message for message in self.slack.messages("#sales") if not message.is_reply]

    def replies(self) -> list[str]:
        return [message.text for message in self.slack.messages("#sales") if message.is_reply]


@pytest.fixture
def ids() -> Ids:
    """Whether webhooks call a booking as the read API does."""
    return "different"


@pytest.fixture
async def world(tmp_path: Path, database_url: str, ids: Ids) -> AsyncIterator[World]:
    copera, slack = CoperaStandIn(ids=ids), SlackStandIn()
    populate(copera.calendar)
    slack.add_channel("sales")
    await copera.start()
    await slack.start()

    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[Bridge]:
        values = {"rules": CARDS, "patience": PATIENCE, "bridge_sync_interval": 3600, **settings}
        async with running(
            tmp_path, database_url=database_url, slack=slack, copera=copera, **values
        ) as bridge:
            copera.unsubscribe()
            copera.subscribe(f"{bridge.service.url}/webhooks/copera")
            yield bridge
        copera.unsubscribe()

    day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=7)
    yield World(copera, slack, run, day)
    await copera.stop()
    await slack.stop()


async def looked(bridge: Bridge) -> None:
    """Wait until the mirror was refreshed anew and everything found was played and delivered."""
    await refreshed(bridge)
    repairs = Repairs(bridge.service.database)

    async def is_over() -> bool:
        return await repairs.next_since() is None and await is_at_rest(bridge)

    await eventually(is_over)
    await bridge.settled()


async def refreshed(bridge: Bridge) -> None:
    """Wait until the mirror was refreshed anew and compared with what was told."""
    mirror = bridge.service.mirror
    assert mirror is not None
    await mirror.refresh()
    repairs = Repairs(bridge.service.database)
    refreshed_at = (await repairs.progress()).refreshed_at
    assert refreshed_at is not None
    bridge.service.repair.wake()

    async def is_over() -> bool:
        looked_at = (await repairs.progress()).looked_at
        return looked_at is not None and looked_at >= refreshed_at and await is_at_rest(bridge)

    await eventually(is_over)


async def is_at_rest(bridge: Bridge) -> bool:
    """Whether nobody holds the right to repair: a restart, or a copy made now, would wait for its end."""
    async with bridge.service.database.read() as connection:
        return await connection.scalar(select(rights.c.lease_until)) is None


async def states(bridge: Bridge) -> list[tuple[str, str, str]]:
    return [(e.name, e.source, e.state) for e in reversed(await bridge.service.events.list())]


@both_rules
async def test_what_was_missed_shows_once_and_late_webhooks_add_nothing(world: World, rules: str) -> None:
    """New, cancelled, moved, reassigned and confirmed while the process was away; then told after all."""
    hosts = [member.id for member in world.copera.calendar.members.values()]
    async with world.run(rules=rules) as bridge:
        await looked(bridge)
        told = [
            world.book(booker={"name": name, "email": f"{name}@example.com"}, pending=name == "dan")
            for name in ("ann", "ben", "cid", "dan")
        ]
        for envelope in told:
            await world.copera.send(envelope)
        await bridge.settled()
        await looked(bridge)
        assert len(world.cards()) == 4
    calendar = world.copera.calendar
    ann, ben, cid, dan = (envelope.uid for envelope in told)
    missed = [
        calendar.cancel(ann),
        calendar.reschedule(ben, world.day + timedelta(days=1)),
        calendar.reassign(cid, hosts[1:2]),
        calendar.confirm(dan),
        world.book(),
    ]
    async with world.run(rules=rules) as bridge:
        await looked(bridge)
        shown = len(world.slack.messages("#sales"))
        assert shown == 9
        assert len(world.cards()) == (5 if rules == CARDS else 9)
        found = [event for event in await states(bridge) if event[1] == "repair"]
        names = sorted(name for name, _, _ in found)
        assert names == ["cancelled", "confirmed", "created", "reassigned", "rescheduled"]
        assert {state for _, _, state in found} == {"routed"}
        notes = [message for message in world.slack.messages("#sales") if NOTE in str(message.content)]
        assert len(notes) >= 5
        for envelope in missed:
            await world.copera.send(envelope)
        await bridge.settled()
        await asyncio.sleep(0.3)
        assert len(world.slack.messages("#sales")) == shown
        assert [state for _, source, state in await states(bridge) if source == "webhook"][4:] == [
            "superseded"
        ] * 5
        await looked(bridge)
        assert len(world.slack.messages("#sales")) == shown


@both_ids
async def test_the_booking_stays_one_under_both_names(world: World) -> None:
    """After a repair told it and its webhook came, a later webhook goes on with the same card."""
    async with world.run() as bridge:
        await looked(bridge)
        created = world.book()
        await looked(bridge)
        (card,) = world.cards()
        await world.copera.send(created)
        await world.copera.send(world.copera.calendar.cancel(created.uid))
        await bridge.settled()
        (same,) = world.cards()
        assert same.ts == card.ts
        assert "Cancelled" in same.text
        assert NOTE not in str(same.content)
        assert len(world.replies()) == 1
        history = History(bridge.service.database)
        called = {created.uid, created.data["id"]}
        for name in called:
            assert len(await history.find(name)) == 3
        await looked(bridge)
        assert len(world.replies()) == 1


@both_rules
async def test_late_webhooks_of_a_booking_that_moved_on_add_nothing(world: World, rules: str) -> None:
    """Booked, moved and reassigned unseen: told once as it is; the three late webhooks are known news."""
    hosts = [member.id for member in world.copera.calendar.members.values()]
    async with world.run(rules=rules) as bridge:
        await looked(bridge)
        created = world.book()
        moved = world.copera.calendar.reschedule(created.uid, world.day + timedelta(days=1))
        given = world.copera.calendar.reassign(created.uid, hosts[1:2])
        await looked(bridge)
        assert len(world.slack.messages("#sales")) == 1
        for envelope in (created, moved, given):
            await world.copera.send(envelope)
        await bridge.settled()
        await looked(bridge)
        assert len(world.slack.messages("#sales")) == 1
        await world.copera.send(world.copera.calendar.cancel(created.uid))
        await bridge.settled()
        assert len(world.slack.messages("#sales")) == 2


@both_ids
async def test_what_webhooks_told_is_not_told_again(world: World) -> None:
    """Of one booker's several bookings of one type each is told once, by its webhook."""
    async with world.run() as bridge:
        await looked(bridge)
        for number in range(5):
            await world.copera.send(world.book(start=world.day + timedelta(hours=number)))
        first = next(iter(world.copera.calendar.bookings))
        await world.copera.send(world.copera.calendar.reschedule(first, world.day + timedelta(days=2)))
        await bridge.settled()
        await looked(bridge)
        await looked(bridge)
        assert len(world.cards()) == 5
        assert {source for _, source, _ in await states(bridge)} == {"webhook"}


async def test_what_a_webhook_told_while_the_api_was_away_is_recognised(world: World) -> None:
    """No name could be looked up then, and the booking moved unseen: it is told as moved, not as new."""
    async with world.run() as bridge:
        await looked(bridge)
        world.copera.fault = Status(503)
        created = world.book()
        await world.copera.send(created)
        await bridge.settled()
        world.copera.calendar.reschedule(created.uid, world.day + timedelta(days=1))
    world.copera.fault = None
    async with world.run() as bridge:
        await looked(bridge)
        (_card,) = world.cards()
        (reply,) = world.replies()
        assert "Rescheduled" in reply


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


async def test_health_tells_of_copera_and_the_mirror(world: World) -> None:
    """How much was read and when; and since when it cannot be."""
    world.book()
    async with world.run() as bridge:
        await looked(bridge)
        _, answer = await bridge.get("/readyz")
        assert answer["parts"]["copera"]["state"] == "ok"
        assert "1 bookings, read in full" in answer["parts"]["mirror"]["why"]
        world.copera.fault = Status(503)
        mirror = bridge.service.mirror
        assert mirror is not None
        await mirror.refresh()
        status, first = await bridge.get("/readyz")
        await mirror.refresh()
        _, second = await bridge.get("/readyz")
        assert status == 200
        assert first["parts"]["copera"]["state"] == "degraded"
        assert first["parts"]["copera"]["since"] == second["parts"]["copera"]["since"]
        _, text = await bridge.get("/metrics")
        assert "booking_bridge_mirror_bookings 1.0" in text
        assert "booking_bridge_mirror_age_seconds 0.0" not in text


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


async def test_a_webhook_within_the_patience_is_the_one_that_tells(world: World) -> None:
    """Seen in the mirror and waited for; its webhook tells it, and when the patience is over nothing does."""
    ahead = timedelta(0)
    async with world.run(patience=timedelta(minutes=2), clock=lambda: datetime.now(UTC) + ahead) as bridge:
        await looked(bridge)
        created = world.book()
        await refreshed(bridge)
        assert await Repairs(bridge.service.database).next_since() is not None
        assert world.slack.messages() == []
        await world.copera.send(created)
        await bridge.settled()
        ahead = timedelta(minutes=5)
        await looked(bridge)
        assert await states(bridge) == [("created", "webhook", "routed")]
        (card,) = world.cards()
        assert NOTE not in str(card.content)


async def test_what_took_place_and_a_no_show_are_no_gaps(world: World) -> None:
    """COMPLETED is what becomes of a confirmed booking; a no-show is told by its webhook, however late."""
    async with world.run() as bridge:
        await looked(bridge)
        created = world.book()
        await world.copera.send(created)
        world.copera.calendar.change("", created.uid, status="COMPLETED")
        no_show = world.copera.calendar.no_show(created.uid)
        await looked(bridge)
        await looked(bridge)
        assert [source for _, source, _ in await states(bridge)] == ["webhook"]
        await world.copera.send(no_show)
        await bridge.settled()
        assert len(world.replies()) == 1


async def test_one_of_several_replicas_repairs(
    tmp_path: Path, postgres_server: postgres.Server, ids: Ids
) -> None:
    """Two services on one database find thirty bookings: each is posted once."""
    copera, slack = CoperaStandIn(ids=ids), SlackStandIn()
    populate(copera.calendar)
    slack.add_channel("sales")
    await copera.start()
    await slack.start()
    database_url = await asyncio.to_thread(postgres_server.new_database)
    (tmp_path / "other").mkdir()
    start = datetime.now(UTC) + timedelta(days=3)
    common: dict[str, Any] = {"rules": CARDS, "slack": slack, "copera": copera, "patience": PATIENCE}
    async with (
        running(tmp_path, database_url=database_url, **common) as one,
        running(tmp_path / "other", database_url=database_url, **common) as other,
    ):
        await looked(one)
        for number in range(30):
            copera.calendar.create("Intro Call", start=start + timedelta(hours=number), booker=ALICE)
        await asyncio.gather(looked(one), looked(other))
        found = [event for event in await states(one) if event[1] == "repair"]
        assert len(found) == 30
        assert len([message for message in slack.messages("#sales") if not message.is_reply]) == 30
    await copera.stop()
    await slack.stop()
