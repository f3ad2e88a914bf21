"""Routing's one transaction: all of it holds, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from bridge.core.knowledge import Knowledge
from bridge.core.reading import NotAnEvent, read_envelope, unreadable
from bridge.core.rules.file import load
from bridge.database import Unavailable
from bridge.router import Router
from bridge.store.events import Events
from bridge.store.history import History
from bridge.store.routing import RoutingTransaction
from bridge.tables.delivery import booking_states
from tests import payloads
from tests.store.conftest import Line


async def test_rules_are_kept_though_the_first_attempt_fails(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was routed can be explained later by the rules it was routed by."""
    event = await line.receive("created")
    write, failed = RoutingTransaction.write, False

    def write_at_last(turn: RoutingTransaction, *arguments: Any) -> int:
        nonlocal failed
        if not failed:
            failed = True
            raise Unavailable("gone")
        return write(turn, *arguments)

    monkeypatch.setattr(RoutingTransaction, "write", write_at_last)
    rules = load(line.rules).rules
    router = Router(line.database, lambda: Knowledge(rules), clock=lambda: line.now)
    with pytest.raises(Unavailable):
        await router.route_received()
    await router.route_received()
    (found,) = (await History(line.database).find(event)).events
    assert found.rules == line.rules


async def test_what_cannot_be_read_stays_unrecognised_and_holds_up_nothing(line: Line) -> None:
    """Also when it is to be routed again; the events beside it are routed, and nothing of it is delivered."""
    body, events = b"\xff\x00 no event", Events(line.database)
    kept = await line.store(unreadable(body, NotAnEvent("the body is not JSON")), body)
    assert (await line.store(unreadable(body, NotAnEvent("the body is not JSON")), body)) == kept
    assert [event.state for event in await events.list()] == ["unrecognised"]
    assert await events.again(kept)
    await line.receive("created")
    await line.route()
    said = {event.id: (event.state, event.problem) for event in await events.list()}
    assert said.pop(kept) == ("unrecognised", "the body is not JSON")
    assert list(said.values()) == [("routed", "")]
    assert [delivery.event_id for delivery in await line.take()] == list(said)


@pytest.mark.parametrize("odd", ['"\\ud800"', "1"], ids=["half a pair", "plain"])
async def test_however_deep_an_event_is_it_stops_no_other(line: Line, odd: str) -> None:
    """Reading, writing and digesting give up at different depths, each in its own way."""
    for depth in range(840, 1000):
        deep = f'{{"odd": {odd}, "n": {"[" * depth}{"]" * depth}, "id": "deep{depth}"'
        body = json.dumps(payloads.document(id="?")).replace('{"id": "?"', deep).encode()
        assert deep.encode() in body
        try:
            envelope = read_envelope(body)
        except NotAnEvent as problem:
            envelope = unreadable(body, problem)
        await line.store(envelope, body)
    await line.receive("created")
    await line.route()
    found = {event.booking_id: event.state for event in await Events(line.database).list(limit=200)}
    assert found[payloads.DATA["id"]] == "routed"
    assert set(found.values()) <= {"routed", "unrecognised"}


async def test_what_can_be_read_after_an_upgrade_keeps_its_id(line: Line) -> None:
    """Its deliveries, its state and what is asked of it go by the one id that it was kept under."""
    body = payloads.body()
    kept = await line.store(unreadable(body, NotAnEvent("an older version's opinion")), body)
    assert await Events(line.database).again(kept)
    await line.route()
    (delivery,) = await line.take()
    assert delivery.present is not None
    assert (delivery.event_id, delivery.present.event.id) == (kept, kept)
    (found,) = (await History(line.database).find("665f1")).events
    assert (found.event.id, found.event.state, found.event.name) == (kept, "routed", "confirmed")


async def test_a_replay_leaves_the_history_as_it_is(line: Line) -> None:
    """What was told stays told, though a later event is known; no state goes back, no rule counts anew."""
    first = await line.receive("created", 0)
    await line.route()
    await line.receive("cancelled", 5, status="CANCELLED")
    await line.route()
    late = await line.receive("rescheduled", 3)
    await line.route()
    counted: list[str] = []
    rules = load(line.rules).rules
    router = Router(
        line.database,
        lambda: Knowledge(rules),
        clock=lambda: line.now,
        observe=lambda routed: counted.append(routed.event.id),
    )
    events = Events(line.database)
    before = {event.id: (event.state, event.problem) for event in await events.list()}
    assert [before[each][0] for each in (first, late)] == ["routed", "superseded"]
    for each in (first, late):
        assert await events.again(each)
    assert await router.route_received() == 2
    assert {event.id: (event.state, event.problem) for event in await events.list()} == before
    assert counted == []
    async with line.database.read() as connection:
        assert await connection.scalar(select(booking_states.c.name)) == "cancelled"


async def test_what_comes_again_in_a_version_that_is_known_is_told(line: Line) -> None:
    """As from two subscriptions: the first was kept and not understood, and is one event with the second."""
    body = payloads.body()
    ids = {
        await line.store(read_envelope(body, version), body, version=version)
        for version in ("2", "1", "1", "2")
    }
    await line.route()
    (event,) = await Events(line.database).list()
    assert ids == {event.id}
    assert (event.state, event.problem, event.version) == ("routed", "", "1")
    assert len(await line.take()) == 1
