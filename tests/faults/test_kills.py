"""kill -9 at every step between acceptance and completion; the next process finishes the work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.processes import Kill, Process
from tests.faults.world import World, gathered, world

pytestmark = pytest.mark.no_cover  # what it is about runs in processes of its own

SOON = datetime(2030, 7, 8, 15, tzinfo=UTC)
STEPS = (
    "storing",
    "stored",
    "routing",
    "routed",
    "claimed",
    "accepted by slack",
    "sent",
    "settled",
)


@pytest.mark.parametrize("kind", ["Intro Call", "Storm"])
async def test_a_kill_at_every_step(tmp_path: Path, kind: str) -> None:
    """A process dies at each step in turn; every acknowledged event is told once, in order."""
    async with world(tmp_path) as place:
        for number, step in enumerate(STEPS):
            bridge = await place.bridge(Kill(step))
            await place.send(bridge, "created", f"b{number}", 10 * number, bookingTypeTitle=kind)
            await bridge.died()
        last = await place.bridge()
        for number in range(len(STEPS)):
            await place.send(last, "created", f"b{number}", 10 * number, bookingTypeTitle=kind)
        await place.settled()
        await place.check()


@pytest.mark.parametrize("step", ["claimed", "card edited", "accepted by slack", "sent", "settled"])
async def test_a_kill_while_a_card_is_changed(tmp_path: Path, step: str) -> None:
    """The edit is repeated, its reply is not."""
    async with world(tmp_path) as place:
        first = await place.bridge()
        await place.send(first, "created", "b", 0)
        await place.settled()
        await first.stop()
        second = await place.bridge(Kill(step))
        await place.send(second, "cancelled", "b", 1, status="CANCELLED")
        await second.died()
        await place.bridge()
        await place.settled()
        await place.check()
        card, reply = await place.look("messages")
        assert "Cancelled" in card["content"]["text"]
        assert reply["thread_ts"] == card["ts"]


async def test_a_kill_while_a_message_is_looked_up(tmp_path: Path) -> None:
    """Killed between Slack's acceptance and our note, and again while that is looked up: still once."""
    async with world(tmp_path) as place:
        first = await place.bridge(Kill("accepted by slack"))
        await place.send(first, "created", "b", 0)
        await first.died()
        second = await place.bridge(Kill("looked up"))
        await second.died()
        await place.bridge()
        await place.settled()
        await place.check()


async def test_a_kill_while_a_reply_is_looked_up(tmp_path: Path) -> None:
    """It is in its thread once, as a message is in its channel."""
    async with world(tmp_path) as place:
        first = await place.bridge()
        await place.send(first, "created", "b", 0)
        await place.settled()
        await first.stop()
        for kill in (Kill("accepted by slack"), Kill("looked up")):
            bridge = await place.bridge(kill)
            await place.send(bridge, "cancelled", "b", 1, status="CANCELLED")
            await bridge.died()
        await place.bridge()
        await place.settled()
        await place.check()
        assert len(await place.look("messages")) == 2


async def test_a_kill_while_a_farewell_is_said(tmp_path: Path) -> None:
    """Between the edit of the old host's card and its reply, and of what another rule's card shows."""
    rules = """
version: 1
people:
  ana: {name: Ana, slack: U0ANA}
  ben: {name: Ben, slack: U0BEN}
rules:
  - {name: first, when: {event: created}, post: {to: ["#sales", "@host"]}}
  - {name: rest, post: {to: "@host"}}
"""
    async with world(tmp_path, rules=rules) as place:
        for name in ("ana", "ben"):
            await place.order("user", name=name, email=f"{name}@example.com", id=f"U0{name.upper()}")
        first = await place.bridge()
        await place.send(first, "created", "b", 0, hosts=[{"userId": "ana"}])
        await place.settled()
        await first.stop()
        for number in (1, 2):
            bridge = await place.bridge(Kill("card edited", number))
            await place.send(bridge, "reassigned", "b", 1, hosts=[{"userId": "ben"}])
            await bridge.died()
        await place.bridge()
        await place.settled()
        messages = await place.look("messages")
        told = [(one["metadata"]["event_payload"]["part"], one["content"]["text"]) for one in messages]
        assert sorted(part for part, _ in told) == ["card", "card", "card", "reply"]
        assert sum("No longer yours" in text for part, text in told if part == "card") == 1
        assert all("no longer yours" in text for part, text in told if part == "reply")


async def test_without_the_scope_it_is_sent_again(tmp_path: Path) -> None:
    """Where Slack does not let us look, an event is told at least once."""
    async with world(tmp_path) as place:
        await place.order("scopes", scopes=["chat:write"])
        first = await place.bridge(Kill("accepted by slack"))
        await place.send(first, "created", "b", 0)
        await first.died()
        await place.bridge()
        await place.settled()
        await place.check(at_least_once=True)
        assert len(await place.look("messages")) == 2


async def test_three_kills_in_a_storm(database_url: str, tmp_path: Path) -> None:
    """600 events, three processes that die in the middle of it: each acknowledged one is told once.

    Half of the bookings have cards, which show the latest at the end.
    """
    kills = (Kill("accepted by slack", 20), Kill("settled", 5), Kill("routing", 2), None)
    async with world(tmp_path, database_url=database_url) as place:
        for wave, kill in enumerate(kills):
            bridge = await place.bridge(kill)
            bookings = range(10 if kill else 30)
            kinds = ("Storm", "Intro Call")
            await gathered([_booking(place, bridge, n, kinds[n % 2], 100 * wave) for n in bookings])
            if kill:
                await bridge.died()
        await place.settled()
        await place.check()
        assert sum(sent.acknowledged for sent in place.sent) >= 300


async def _booking(place: World, bridge: Process, booking: int, kind: str, begin: int) -> None:
    """Ten events of one booking, one after the other, while the bridge lives."""
    for number in range(begin, begin + 10):
        if bridge.is_alive:
            start = (SOON + timedelta(minutes=number)).isoformat()
            moved = {"start": start, "end": None, "booker": {"name": f"Alice the {number}th"}}
            await place.send(bridge, "rescheduled", f"b{booking}", number, bookingTypeTitle=kind, **moved)
