"""Events on their way to the disk: what comes together goes together, and nobody waits for company."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bridge.core.reading import read_envelope
from bridge.database import Database
from bridge.store.intake import Intake
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
