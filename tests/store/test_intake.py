"""Events on their way to the disk: what comes together goes together, and nobody waits for company."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import text

from bridge.core.reading import read_envelope
from bridge.database import Database, Unavailable, sqlite_writer
from bridge.store.intake import MOST_WAITING, Intake
from tests import payloads
from tests.store.conftest import NOW


class Counting:
    """A database's intake that notes how many rows each commit has."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits: list[int] = []
        append = Database.append

        async def noted(*arguments: object, **named: object) -> set[str]:
            self.commits.append(len(arguments[2]))  # type: ignore[arg-type]
            return await append(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(Database, "append", noted)
        self.intake = Intake(database)

    async def accept(self, name: str) -> bool:
        body = payloads.body(data={"id": name})
        return await self.intake.accept(read_envelope(body), body, "1", "webhook", NOW + timedelta(hours=1))


@pytest.fixture
async def counting(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counting]:
    counting = Counting(database, monkeypatch)
    running = asyncio.create_task(counting.intake.run())
    yield counting
    running.cancel()


async def test_a_flood_shares_commits(counting: Counting) -> None:
    """32 senders, each of whom waits for an answer before the next event."""

    async def sender(number: int) -> list[bool]:
        return [await counting.accept(f"{number}-{turn}") for turn in range(10)]

    told = await asyncio.gather(*map(sender, range(32)))
    assert all(all(answers) for answers in told)
    assert sum(counting.commits) == 320
    assert len(counting.commits) <= 40, counting.commits


async def test_the_end_of_a_flood_waits_for_nobody(counting: Counting) -> None:
    await asyncio.gather(*(counting.accept(f"b{number}") for number in range(100)))
    assert await asyncio.wait_for(counting.accept("alone"), 2)
    assert await asyncio.wait_for(counting.accept("later"), 2)
    assert counting.commits[-2:] == [1, 1]


async def test_what_waits_for_the_disk_is_bounded(database: Database) -> None:
    """Whoever comes when 16 MiB wait is sent away at once; those before are stored when the disk is back."""
    intake, body = Intake(database), payloads.body(note="x" * 250_000)
    envelope = read_envelope(body)
    waiting = []

    def flood() -> None:
        for number in range(1_000):
            one = envelope._replace(id=f"{envelope.id[:-4]}{number:04x}")
            waiting.append(intake.accept(one, body, "1", "webhook", NOW))

    with pytest.raises(Unavailable, match="too many events"):
        flood()
    assert MOST_WAITING - 2 * len(body) < len(waiting) * len(body) <= MOST_WAITING
    running = asyncio.create_task(intake.run())
    assert all(await asyncio.gather(*waiting))
    running.cancel()


async def test_an_event_is_on_disk_before_it_is_acknowledged(database: Database) -> None:
    """As `PRAGMA synchronous` and `synchronous_commit` have it while it is written, whatever came before."""
    seen: list[object] = []
    question = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"
    await database.transact(lambda connection: None, durable=False)

    append = sqlite_writer._Appender.append

    def noting(self: Any, driver: Any, rows: Any) -> set[str]:
        seen.append(driver.execute(question).fetchone()[0])
        return append(self, driver, rows)

    if not database.is_sqlite:
        async with database.write() as connection:
            seen.append(await connection.scalar(text(question)))
        assert seen == ["on"]
        return
    with patch.object(sqlite_writer._Appender, "append", noting):
        intake = Intake(database)
        running = asyncio.create_task(intake.run())
        body = payloads.body()
        assert await intake.accept(read_envelope(body), body, "1", "webhook", NOW)
        running.cancel()
    assert seen == [FULL]


FULL = 2
