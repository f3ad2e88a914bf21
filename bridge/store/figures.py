"""Figures about the queue, for health, metrics and the demo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from bridge.database import Database
from bridge.store.claims import DEAD, active
from bridge.store.routing import RECEIVED
from bridge.tables.delivery import deliveries


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits, and since when the oldest does."""

    received: int  # events that are not routed yet
    waiting: int
    sending: int
    dead: int
    oldest: datetime | None


class Figures:
    """Counts over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def queue(self) -> Queue:
        state = deliveries.c.state
        counted = select(state, func.count()).where(active(deliveries)).group_by(state)
        dead = select(func.count()).select_from(deliveries).where(DEAD)
        oldest = select(func.min(deliveries.c.created_at)).where(active(deliveries))
        received = select(func.count()).where(RECEIVED)
        async with self._database.read() as connection:
            counts = {row[0]: row[1] for row in await connection.execute(counted)}
            return Queue(
                received=await connection.scalar(received) or 0,
                waiting=counts.get("waiting", 0),
                sending=counts.get("sending", 0),
                dead=await connection.scalar(dead) or 0,
                oldest=await connection.scalar(oldest),
            )
