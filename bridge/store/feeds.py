"""Feeds and who fetches them. Nothing here is secret: an address is derived, never stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.feeds.feeds import Who, who
from bridge.core.feeds.tokens import Detail, Options
from bridge.database import Database
from bridge.store.names import TOPIC
from bridge.store.statements import insert_into
from bridge.tables.mirror import feed_fetches, feeds, mirror


@dataclass(frozen=True, slots=True)
class Fetch:
    """When one kind of client last fetched one address."""

    who: Who
    options: Options
    client: str
    at: datetime


class FeedStore:
    """The feeds of one database. The mirror's row must be prepared."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = partial(insert_into, database.dialect)

    async def generations(self) -> dict[Who, int]:
        """Every feed that is known, with the generation of its addresses."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(feeds.c.who, feeds.c.generation))).all()
        return {who(row.who): row.generation for row in rows}

    async def register(self, wanted: Iterable[Who], now: datetime) -> None:
        """Make sure that these feeds exist, so that their addresses work."""
        known = await self.generations()
        rows = [{"who": one.key, "generation": 0, "since": now} for one in wanted if one not in known]
        if not rows:
            return
        async with self._database.write() as connection:
            await connection.execute(self._insert(feeds).on_conflict_do_nothing(), rows)
            await self._tell(connection)

    async def rotate(self, feed: Who, now: datetime) -> int:
        """Revoke every address of a feed; the generation of its new ones."""
        statement = self._insert(feeds).values(who=feed.key, generation=1, since=now)
        statement = statement.on_conflict_do_update(
            index_elements=["who"], set_={"generation": feeds.c.generation + 1, "since": now}
        )
        async with self._database.write() as connection:
            result = await connection.execute(statement.returning(feeds.c.generation))
            generation = int(result.scalar_one())
            await connection.execute(delete(feed_fetches).where(feed_fetches.c.who == feed.key))
            await self._tell(connection)
        return generation

    async def _tell(self, connection: AsyncConnection) -> None:
        """Let every replica see that addresses changed."""
        await connection.execute(update(mirror).values(feeds_revision=mirror.c.feeds_revision + 1))
        await connection.run_sync(self._database.notify, TOPIC)

    async def fetches(self, feed: Who | None = None) -> list[Fetch]:
        """Who fetched what last, the latest first; of one feed or of all."""
        query = select(feed_fetches).order_by(feed_fetches.c.at.desc())
        if feed is not None:
            query = query.where(feed_fetches.c.who == feed.key)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Fetch(who(row.who), Options(_detail(row.detail), row.alarm), row.client, row.at) for row in rows
        ]

    async def record(self, fetched: Iterable[Fetch]) -> None:
        """Remember fetches; an older one than is known changes nothing."""
        rows = [
            {
                "who": fetch.who.key,
                "detail": fetch.options.detail,
                "alarm": fetch.options.alarm,
                "client": fetch.client,
                "at": fetch.at,
            }
            for fetch in fetched
        ]
        statement = self._insert(feed_fetches)
        newer = statement.excluded.at
        statement = statement.on_conflict_do_update(
            index_elements=["who", "detail", "alarm", "client"],
            set_={"at": newer},
            where=feed_fetches.c.at < newer,
        )
        if rows:
            async with self._database.write() as connection:
                await connection.execute(statement, rows)


def _detail(value: str) -> Detail:
    return "busy" if value == "busy" else "title" if value == "title" else "full"
