"""Listening to what other processes notify: a server that is away, or refuses, is waited out."""

from __future__ import annotations

import asyncio

from bridge.database import open_database
from tests import postgres
from tests.service.bridge import PATIENT


async def test_a_server_that_refuses_connections_is_waited_out(
    postgres_server: postgres.Server, postgres_url: str
) -> None:
    """As one does that is starting again: it answers, but lets nobody in yet."""
    database = await open_database(postgres_url)
    name = postgres_url.rpartition("/")[2]
    for statement in (
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    ):
        await asyncio.to_thread(postgres_server.execute, statement)
    listening = asyncio.create_task(database.listen())
    tried = asyncio.create_task(database.wait("news", PATIENT))  # all bells ring after each attempt
    await asyncio.wait([listening, tried], return_when=asyncio.FIRST_COMPLETED)
    assert not listening.done()
    listening.cancel()
    await asyncio.wait([listening])
    await database.close()
