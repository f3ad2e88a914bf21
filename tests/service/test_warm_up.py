"""Warming up at the start leaves nothing behind, and a start never fails for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Connection, func, select

from bridge import warm_up
from bridge.database import Database
from bridge.store.deliveries import Deliveries, Settled, Settlement
from bridge.tables import metadata
from tests.service.bridge import running

NOW = datetime(2026, 7, 6, 9, 0, 5, tzinfo=UTC)


async def _rows(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


async def test_nothing_is_left(database: Database) -> None:
    before = await _rows(database)
    with structlog.testing.capture_logs() as said:
        await warm_up.warm_up(database, Deliveries(database), NOW)
    assert await _rows(database) == before
    assert said == []


async def test_it_goes_through_to_the_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would warm nothing."""
    settled: list[int] = []
    deliveries = Deliveries(database)
    settle = deliveries.settle_within

    def counted(
        connection: Connection, settlements: Sequence[Settlement], owner: str, now: datetime
    ) -> Settled:
        settled.append(len(settlements))
        return settle(connection, settlements, owner, now)

    monkeypatch.setattr(deliveries, "settle_within", counted)
    await warm_up.warm_up(database, deliveries, NOW)
    assert settled == [1]


async def test_a_start_does_not_fail_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(warm_up, "_play", broken)
    async with running(tmp_path) as bridge:
        await bridge.send("created")
        await bridge.settled()
        assert len(bridge.slack.messages()) == 1
