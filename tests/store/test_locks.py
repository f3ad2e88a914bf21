"""Turns among replicas: one that stopped in its turn does not keep the others out."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import text

import bridge.database.locks
from bridge.database import Database, open_database

TURN = 0x7475726E


async def test_a_session_that_stops_in_a_transaction_is_ended_by_the_server(postgres_url: str) -> None:
    database = await open_database(postgres_url)
    for transaction in (database.read, database.write):
        async with transaction() as connection:
            assert await connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "8s"
    await database.close()


@pytest.mark.parametrize("stopped", [True, False])
async def test_a_turn_that_somebody_stopped_in_is_ended_by_who_waits(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    """Not one that somebody works in, however long."""
    monkeypatch.setattr(bridge.database.locks, "_LONG", 0.1)
    database = await open_database(postgres_url)
    holder = await asyncpg.connect(postgres_url)
    await holder.execute(f"BEGIN; SELECT pg_advisory_xact_lock({TURN})")
    working = asyncio.create_task(asyncio.sleep(0) if stopped else holder.execute("SELECT pg_sleep(3600)"))
    waiting = asyncio.create_task(_turn(database))
    if not stopped:
        for _ in range(5):
            await asyncio.sleep(0.1)
            await database.end_stale_locks()
        assert not waiting.done()
        assert not working.done()
        async with database.write() as connection:
            await connection.execute(text(f"SELECT pg_terminate_backend({holder.get_server_pid()})"))
        await asyncio.wait([working])
    async with asyncio.timeout(60):
        while not waiting.done():
            await asyncio.sleep(0.05)
            await database.end_stale_locks()
    await waiting
    await database.close()


async def _turn(database: Database) -> None:
    await database.transact(lambda connection: database.lock(connection, TURN))
