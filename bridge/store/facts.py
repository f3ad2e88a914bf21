"""Small facts on which replicas agree, by key: when something was done last, and what was said."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import delete, select

from bridge.database import Database
from bridge.store.statements import insert_into
from bridge.tables.delivery import facts

ACCEPT: Final = "accept"
"""An admin says that many bookings are gone from Copera indeed."""


class Facts:
    """The facts of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = partial(insert_into, database.dialect)

    async def take(self, key: str, now: datetime, every: timedelta) -> bool:
        """Whether it is time, and this process's turn: true for one of all replicas in `every`."""
        statement = self._insert(facts).values(key=key, value="", at=now)
        is_due = (facts.c.at <= now - every) | (facts.c.at > now + every)  # the clock was set back
        statement = statement.on_conflict_do_update(index_elements=["key"], set_={"at": now}, where=is_due)
        async with self._database.write() as connection:
            return await connection.scalar(statement.returning(facts.c.key)) is not None

    async def change(self, key: str, value: str, now: datetime) -> bool:
        """Keep a value; whether it differs from the one before."""
        statement = self._insert(facts).values(key=key, value=value, at=now)
        changed = {"value": value, "at": now}
        statement = statement.on_conflict_do_update(
            index_elements=["key"], set_=changed, where=facts.c.value != value
        )
        async with self._database.write() as connection:
            return await connection.scalar(statement.returning(facts.c.key)) is not None

    async def last(self, key: str) -> datetime | None:
        """When the value was set last, None when there is none. Raises Unavailable."""
        async with self._database.read() as connection:
            found: datetime | None = await connection.scalar(select(facts.c.at).where(facts.c.key == key))
        return found

    async def is_set(self, key: str) -> bool:
        """Whether there is a value."""
        async with self._database.read() as connection:
            return await connection.scalar(select(facts.c.key).where(facts.c.key == key)) is not None

    async def clear(self, key: str) -> None:
        """Forget the value, if there is one."""
        async with self._database.write() as connection:
            await connection.execute(delete(facts).where(facts.c.key == key))
