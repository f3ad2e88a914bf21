"""When a destination has failed for a day: what waited for it as long is dead, all of it together."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, update

from bridge.core.retry import PATIENCE
from bridge.store.claims import waiting
from bridge.store.delivery import GivenUp
from bridge.store.gate_policy import EDITS, TOKEN, WORKSPACE, Gate
from bridge.tables.delivery import deliveries

_MANY: Final = 20
"""Probes in a row that failed: fewer than the schedule makes in `PATIENCE`."""


def give_up(connection: Connection, gate: Gate, now: datetime) -> GivenUp | None:
    """What waited for a destination as long as it is tried is dead together: one probe speaks for all.

    While the token was refused, or nothing ran, nothing was tried.
    """
    long_ago = now - PATIENCE
    is_long = gate.since is not None and gate.since <= long_ago and gate.failures >= _MANY
    if gate.key in {TOKEN, WORKSPACE, EDITS} or not is_long:
        return None
    old = (waiting(deliveries), deliveries.c.destination == gate.key, deliveries.c.created_at <= long_ago)
    problem = f"tried for 24 hours; {gate.reason}"
    dead = {"state": "dead", "error": "given_up", "problem": problem, "done_at": now}
    count = connection.execute(update(deliveries).where(*old).values(dead)).rowcount
    return GivenUp(gate.key, problem, count) if count else None
