"""Stand-ins for Copera and Slack, one database, and processes of the bridge that come and go between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_calendar import Envelope, Ids
from bridge.sandbox.copera_load import populate
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Message
from bridge.store.repair import Repairs
from bridge.tables.repair import repairs as rights
from tests.service.bridge import Bridge, eventually, running

CARDS = 'version: 1\nrules: [{name: all, post: {to: "#sales"}}]\n'
PATIENCE = timedelta(seconds=0.05)
ALICE = {"name": "Alice Booker", "email": "alice@example.com"}


@dataclass
class World:
    """The two stand-ins and one database; `run` is a process of the bridge between them."""

    copera: CoperaStandIn
    slack: SlackStandIn
    run: Callable[..., AbstractAsyncContextManager[Bridge]]
    day: datetime

    def book(self, **changes: Any) -> Envelope:
        """A booking a week ahead, its webhook not sent."""
        return self.copera.calendar.create("Intro Call", **{"start": self.day, "booker": ALICE, **changes})

    def cards(self) -> list[Message]:
        return [message for message in self.slack.messages("#sales") if not message.is_reply]

    def replies(self) -> list[str]:
        return [message.text for message in self.slack.messages("#sales") if message.is_reply]


@pytest.fixture
def ids() -> Ids:
    """Whether webhooks call a booking as the read API does."""
    return "different"


@pytest.fixture
async def world(tmp_path: Path, database_url: str, ids: Ids) -> AsyncIterator[World]:
    copera, slack = CoperaStandIn(ids=ids), SlackStandIn()
    populate(copera.calendar)
    slack.add_channel("sales")
    await copera.start()
    await slack.start()

    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[Bridge]:
        values = {"rules": CARDS, "patience": PATIENCE, "bridge_sync_interval": 3600, **settings}
        async with running(
            tmp_path, database_url=database_url, slack=slack, copera=copera, **values
        ) as bridge:
            copera.unsubscribe()
            copera.subscribe(f"{bridge.service.url}/webhooks/copera")
            yield bridge
        copera.unsubscribe()

    day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=7)
    yield World(copera, slack, run, day)
    await copera.stop()
    await slack.stop()


async def looked(bridge: Bridge) -> None:
    """Wait until the mirror was refreshed anew and everything found was played and delivered."""
    await refreshed(bridge)
    repairs = Repairs(bridge.service.database)

    async def is_over() -> bool:
        return await repairs.next_since() is None and await is_at_rest(bridge)

    await eventually(is_over)
    await bridge.settled()


async def refreshed(bridge: Bridge) -> None:
    """Wait until the mirror was refreshed anew and compared with what was told."""
    mirror = bridge.service.mirror
    assert mirror is not None
    await mirror.refresh()
    repairs = Repairs(bridge.service.database)
    refreshed_at = (await repairs.progress()).refreshed_at
    assert refreshed_at is not None
    bridge.service.repair.wake()

    async def is_over() -> bool:
        looked_at = (await repairs.progress()).looked_at
        return looked_at is not None and looked_at >= refreshed_at and await is_at_rest(bridge)

    await eventually(is_over)


async def is_at_rest(bridge: Bridge) -> bool:
    """Whether nobody holds the right to repair: a restart, or a copy made now, would wait for its end."""
    async with bridge.service.database.read() as connection:
        return await connection.scalar(select(rights.c.lease_until)) is None


async def states(bridge: Bridge) -> list[tuple[str, str, str]]:
    return [(e.name, e.source, e.state) for e in reversed(await bridge.service.events.list())]
