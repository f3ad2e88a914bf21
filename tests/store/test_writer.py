"""SQLite's one writer: what is cancelled ends before the next begins, and trouble does not stay."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from bridge.database import Database, Unavailable, open_database
from bridge.tables.delivery import facts
from tests.store.conftest import NOW


def _keep(connection: Connection, key: str) -> None:
    connection.execute(insert(facts), [{"key": key, "value": "", "at": NOW}])


async def _kept(database: Database) -> list[str]:
    async with database.read() as connection:
        return sorted(await connection.scalars(select(facts.c.key)))


@pytest.fixture
def url(migrated_file: Path, tmp_path: Path) -> str:
    path = tmp_path / "bridge.db"
    path.write_bytes(migrated_file.read_bytes())
    return f"sqlite:///{path}"


async def test_a_cancelled_transaction_ends_before_the_next_begins(url: str) -> None:
    database = await open_database(url)
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        _keep(connection, "slow")
        begun.set()
        go_on.wait(20)

    task = asyncio.create_task(database.transact(slow))
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    following = asyncio.create_task(database.transact(lambda connection: _keep(connection, "next")))
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    await following
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _kept(database) == ["next", "slow"]
    await database.close()


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def broken(connection: Connection) -> None:
        _keep(connection, "half")
        raise KeyError

    with pytest.raises(KeyError):
        await database.transact(broken)
    await database.transact(lambda connection: _keep(connection, "whole"))
    assert await _kept(database) == ["whole"]


async def test_after_the_end_there_is_no_more_writing(url: str) -> None:
    database = await open_database(url)
    await database.close()
    await database.close()
    with pytest.raises(Unavailable, match="closed"):
        await database.transact(lambda connection: _keep(connection, "late"))


async def test_a_process_that_ends_waits_but_briefly_for_another(url: str) -> None:
    """Several loops wait for the file one after the other, and all must end within ten seconds."""
    database = await open_database(url)

    def patience(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one())

    assert await database.transact(patience) == 3_000
    database.hurry()
    assert await database.transact(patience) == 300
    await database.close()


async def test_what_is_to_last_is_on_disk_when_committed(url: str) -> None:
    """By both ways of writing, also after a transaction that may be lost with the machine."""
    database = await open_database(url)

    def synchronous(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    full, normal = 2, 1
    assert await database.transact(synchronous) == full
    assert await database.transact(synchronous, durable=False) == normal
    assert await database.transact(synchronous) == full
    async with database.write() as connection:
        assert await connection.run_sync(synchronous) == full
    await database.close()
