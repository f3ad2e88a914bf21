"""What Slack answered about people and channels, remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from bridge.database import Database
from bridge.store.statements import upsert
from bridge.tables.delivery import slack_channels, slack_users


@dataclass(frozen=True, slots=True)
class SlackPlace:
    """A conversation's id, "" when none is known; `by_name` says that Slack takes its name too."""

    channel: str = ""
    by_name: bool = False


class SlackNames:
    """Slack ids by e-mail and by destination, with the time they were looked up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def user(self, email: str) -> tuple[str, datetime] | None:
        """The id last found for an e-mail ("" for nobody) and when; None when never asked."""
        query = select(slack_users.c.slack, slack_users.c.checked_at).where(slack_users.c.email == email)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return (row.slack, row.checked_at) if row else None

    async def remember_user(self, email: str, slack: str, now: datetime) -> None:
        row = {"email": email, "slack": slack, "checked_at": now}
        statement = upsert(self._database.dialect, slack_users, "email")
        async with self._database.write() as connection:
            await connection.execute(statement, [row])

    async def channels(self, since: datetime, limit: int) -> dict[str, tuple[SlackPlace, datetime]]:
        """By destination, the conversations found since then, and when; the latest of them."""
        query = select(slack_channels).where(slack_channels.c.checked_at > since)
        query = query.order_by(slack_channels.c.checked_at.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {row.destination: (SlackPlace(row.channel, row.by_name), row.checked_at) for row in rows}

    async def remember_channels(self, places: Mapping[str, SlackPlace], now: datetime) -> None:
        """Keep the conversations found for these destinations."""
        await self._database.transact(lambda connection: self.write_channels(connection, places, now))

    def write_channels(self, connection: Connection, places: Mapping[str, SlackPlace], now: datetime) -> None:
        """As `remember_channels`, within a transaction."""
        rows = [
            {
                "destination": destination,
                "channel": place.channel,
                "by_name": place.by_name,
                "checked_at": now,
            }
            for destination, place in places.items()
        ]
        connection.execute(upsert(self._database.dialect, slack_channels, "destination"), rows)
