"""Queries about what waits for Slack, at a start on a database that may be an older copy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, exists, func, or_, select, update

from bridge.database import Database
from bridge.store.claims import waiting
from bridge.store.events import by_digest
from bridge.tables.delivery import cards, deliveries, slack_channels

_WAITS: Final = and_(waiting(deliveries), deliveries.c.unsure_since.is_(None))
_SLICE: Final = 500
UNTRIED: Final = and_(_WAITS, deliveries.c.attempts == 0)
"""What waits and was never tried, in the form of an index."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that waits. `channel` is the conversation that its destination was, or the destination."""

    id: str
    booking_id: str
    destination: str
    style: str
    created_at: datetime
    has_card: bool
    channel: str


class Backlog:
    """What waits and was never tried."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self) -> datetime | None:
        """When the oldest of it was made, None when there is none. Raises Unavailable."""
        async with self._database.read() as connection:
            found: datetime | None = await connection.scalar(
                select(func.min(deliveries.c.created_at)).where(UNTRIED)
            )
        return found

    async def holds(self, channel: str, events: Collection[str]) -> bool:
        """Whether one of these events waits to be told in this channel. Raises Unavailable."""
        there = select(deliveries.c.destination).where(deliveries.c.channel == channel)
        query = select(func.count()).where(
            UNTRIED,
            or_(deliveries.c.event_id.in_(events), by_digest(deliveries.c.event_id, events)),
            deliveries.c.destination.in_(there),
        )
        async with self._database.read() as connection:
            return bool(await connection.scalar(query))

    async def waiting(self) -> list[Waiting]:
        """All that is doubted when it is. Raises Unavailable."""
        own = (deliveries.c[name] for name in ("id", "booking_id", "destination", "style", "created_at"))
        has_card = exists().where(
            cards.c.booking_id == deliveries.c.booking_id, cards.c.destination == deliveries.c.destination
        )
        learnt = slack_channels.c.destination == deliveries.c.destination
        channel = func.coalesce(slack_channels.c.channel, deliveries.c.destination)
        query = select(*own, has_card.label("has_card"), channel.label("channel"))
        query = query.select_from(deliveries.outerjoin(slack_channels, learnt)).where(_WAITS)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Waiting(**row._mapping) for row in rows]

    async def doubt(self, untold: Collection[str] = ()) -> int:
        """Have what waits looked up in Slack before it is sent; how many deliveries. Raises Unavailable.

        Those that are not told for certain are left out.
        """
        doubted = update(deliveries).where(_WAITS).values(unsure_since=deliveries.c.created_at)
        sure = update(deliveries).values(unsure_since=None)
        known = sorted(untold)
        async with self._database.write() as connection:
            count = (await connection.execute(doubted)).rowcount
            for first in range(0, len(known), _SLICE):
                ids = deliveries.c.id.in_(known[first : first + _SLICE])
                was_so = and_(deliveries.c.state == "waiting", deliveries.c.attempts == 0)
                change = sure.where(ids, was_so, deliveries.c.unsure_since == deliveries.c.created_at)
                count -= (await connection.execute(change)).rowcount
        return count
