"""Small facts on which replicas agree: whose turn it is, and what was said last."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from bridge.database import Database
from bridge.tables.delivery import facts

BELIEVE: Final = "believe"
"""An admin says that many bookings are gone from Copera indeed."""


class Facts:
    """The facts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert

    async def take(self, key: str, now: datetime, every: timedelta) -> bool:
        """Whether it is time, and this process's turn: true for one of all replicas in `every`."""
        statement = self._insert(facts).values(key=key, value="", at=now)
        is_due = (facts.c.at <= now - every) | (facts.c.at > now + every)  # the clock was set back
        statement = statement.on_conflict_do_update(index_elements=["key"], set_={"at": now}, where=is_due)
        async with self._database.write() as connection:
            return await connection.scalar(statement.returning(facts.c.key)) is not None

    async def say(self, key: str, value: str, now: datetime) -> bool:
        """Remember what is said now; whether it differs from what was said last."""
        statement = self._insert(facts).values(key=key, value=value, at=now)
        changed = {"value": value, "at": now}
        statement = statement.on_conflict_do_update(
            index_elements=["key"], set_=changed, where=facts.c.value != value
        )
        async with self._database.write() as connection:
            return await connection.scalar(statement.returning(facts.c.key)) is not None

    async def is_said(self, key: str) -> bool:
        """Whether it was said, and not forgotten since."""
        async with self._database.read() as connection:
            return await connection.scalar(select(facts.c.key).where(facts.c.key == key)) is not None

    async def forget(self, key: str) -> None:
        """As if it had never been said."""
        async with self._database.write() as connection:
            await connection.execute(delete(facts).where(facts.c.key == key))
