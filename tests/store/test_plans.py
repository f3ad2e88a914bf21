"""What is asked all the time is answered from an index, however much there is."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.dialects import sqlite

from bridge.store.backlog import UNTRIED
from bridge.store.claims import CANDIDATES, DEAD, NEXT_DUE
from bridge.store.routing import RECEIVED
from bridge.tables.delivery import deliveries, events

QUERIES = {
    "candidates": (CANDIDATES, "ix_deliveries_due"),
    "next due": (NEXT_DUE, "ix_deliveries_due"),
    "dead": (select(deliveries).where(DEAD).order_by(deliveries.c.seq.desc()), "ix_deliveries_dead"),
    "untried": (select(func.min(deliveries.c.created_at)).where(UNTRIED), "ix_deliveries_due"),
    "received": (select(events.c.seq).where(RECEIVED).order_by(events.c.seq), "ix_events_to_route"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_uses_its_index(migrated_file: Path, name: str) -> None:
    query: Any
    query, index = QUERIES[name]
    compiled = query.compile(dialect=sqlite.dialect(paramstyle="named"))
    given = {key: _value(key, value) for key, value in compiled.params.items()}
    state = compiled.construct_expanded_state(given)
    connection = sqlite3.connect(migrated_file)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {state.statement}", state.parameters)]
    connection.close()
    assert index in plan[0], plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


def _value(key: str, value: Any) -> Any:
    if key == "full":
        return ["#full"]
    return "2026-01-01" if key.startswith("now") else value or 1
