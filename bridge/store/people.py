"""What Slack answered about people and channels, remembered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from bridge.database import Database
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
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert

    async def user(self, email: str) -> tuple[str, datetime] | None:
        """The id last found for an e-mail ("" for nobody) and when; None when never asked."""
        query = select(slack_users.c.slack, slack_users.c.checked_at).where(slack_users.c.email == email)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return (row.slack, row.checked_at) if row else None

    async def remember_user(self, email: str, slack: str, now: datetime) -> None:
        row = {"slack": slack, "checked_at": now}
        statement = self._insert(slack_users).values(email=email, **row)
        async with self._database.write() as connection:
            await connection.execute(statement.on_conflict_do_update(index_elements=["email"], set_=row))

    async def channel(self, destination: str) -> tuple[SlackPlace, datetime] | None:
        """The conversation last found for a destination, and when."""
        query = select(slack_channels).where(slack_channels.c.destination == destination)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return (SlackPlace(row.channel, row.by_name), row.checked_at) if row else None

    async def remember_channel(self, destination: str, place: SlackPlace, now: datetime) -> None:
        row = {"channel": place.channel, "by_name": place.by_name, "checked_at": now}
        statement = self._insert(slack_channels).values(destination=destination, **row)
        async with self._database.write() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["destination"], set_=row)
            )
