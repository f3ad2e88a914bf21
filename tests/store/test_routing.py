"""Routing's one transaction: all of it holds, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.knowledge import Knowledge
from bridge.core.reading import NotAnEvent, unreadable
from bridge.core.rules.file import load
from bridge.database import Unavailable
from bridge.router import Router
from bridge.store.events import Events
from bridge.store.history import History
from bridge.store.routing import RoutingTransaction
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
    (found,) = await History(line.database).find(event)
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


async def test_what_can_be_read_after_an_upgrade_keeps_its_id(line: Line) -> None:
    """Its deliveries, its state and what is asked of it go by the one id that it was kept under."""
    body = payloads.body()
    kept = await line.store(unreadable(body, NotAnEvent("an older version's opinion")), body)
    assert await Events(line.database).again(kept)
    await line.route()
    (delivery,) = await line.take()
    assert delivery.present is not None
    assert (delivery.event_id, delivery.present.event.id) == (kept, kept)
    (found,) = await History(line.database).find("665f1")
    assert (found.event.id, found.event.state, found.event.name) == (kept, "routed", "confirmed")
