"""Routing's one transaction: all of it holds, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.knowledge import Knowledge
from bridge.core.rules.file import load
from bridge.database import Unavailable
from bridge.router import Router
from bridge.store.history import History
from bridge.store.routing import RoutingTurn
from tests.store.conftest import Line


async def test_rules_are_kept_though_the_first_attempt_fails(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was routed can be explained later by the rules it was routed by."""
    event = await line.receive("created")
    write, failed = RoutingTurn.write, False

    def write_at_last(turn: RoutingTurn, *arguments: Any) -> int:
        nonlocal failed
        if not failed:
            failed = True
            raise Unavailable("gone")
        return write(turn, *arguments)

    monkeypatch.setattr(RoutingTurn, "write", write_at_last)
    rules = load(line.rules).rules
    router = Router(line.database, lambda: Knowledge(rules), clock=lambda: line.now)
    with pytest.raises(Unavailable):
        await router.route_received()
    await router.route_received()
    (found,) = await History(line.database).find(event)
    assert found.rules == line.rules
