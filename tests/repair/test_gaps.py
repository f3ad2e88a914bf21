"""Gaps through the real service: what no webhook told shows once, and a late webhook adds nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_calendar import Ids
from bridge.sandbox.copera_load import populate
from bridge.sandbox.faults import Status
from bridge.sandbox.slack import SlackStandIn
from bridge.store.history import History
from bridge.store.repair import Repairs
from tests import postgres
from tests.repair.conftest import ALICE, CARDS, PATIENCE, World, looked, refreshed, states
from tests.service.bridge import running

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
            assert len((await history.find(name)).events) == 3
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
