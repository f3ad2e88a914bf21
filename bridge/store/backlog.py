"""Queries about what waits for Slack, at a start on a database that may be an older copy."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, select, update

from bridge.database import Database
from bridge.tables.delivery import deliveries

_WAITS: Final = and_(deliveries.c.state == "waiting", deliveries.c.unsure_since.is_(None))
_UNTRIED: Final = and_(_WAITS, deliveries.c.attempts == 0)


class Backlog:
    """What waits and was never tried."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self) -> datetime | None:
        """When the oldest of it was made, None when there is none. Raises Unavailable."""
        async with self._database.read() as connection:
            found: datetime | None = await connection.scalar(
                select(func.min(deliveries.c.created_at)).where(_UNTRIED)
            )
        return found

    async def holds(self, channel: str, events: Collection[str]) -> bool:
        """Whether one of these events waits to be told in this channel. Raises Unavailable."""
        there = select(deliveries.c.destination).where(deliveries.c.channel == channel)
        query = select(func.count()).where(
            _UNTRIED, deliveries.c.event_id.in_(events), deliveries.c.destination.in_(there)
        )
        async with self._database.read() as connection:
            return bool(await connection.scalar(query))

    async def doubt(self) -> int:
        """Have all that waits looked up in Slack before it is sent; how many. Raises Unavailable."""
        statement = update(deliveries).where(_WAITS).values(unsure_since=deliveries.c.created_at)
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount
