"""What the retention erases: bodies, states and people. Identities stay, so that a repeat is recognised."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, exists, literal, or_, select, text, update

from bridge.database import Database
from bridge.tables.delivery import (
    attempts,
    booking_states,
    cards,
    deliveries,
    events,
    gates,
    slack_channels,
    slack_users,
)
from bridge.tables.repair import booking_names

BATCH: Final = 500
"""Rows changed in one transaction, so that nobody waits for long."""

_ERASED: Final = "@erased:"
_OVERWRITE: Final = text("PRAGMA secure_delete = ON")
_LEAVE: Final = text("PRAGMA secure_delete = OFF")


class Erasing:
    """Erases what is older than a time, one batch a call; each says how many rows it changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, before: datetime) -> int:
        """Bodies and former states of events received before."""
        old = _first(events, events.c.seq, events.c.body.is_not(None), events.c.received_at < before)
        blank = {"body": None, "previous": None}
        return await self._change(update(events).where(events.c.seq.in_(old)).values(blank))

    async def states(self, before: datetime) -> int:
        """Bookings as they were last told before; their place in the order stays."""
        table = booking_states
        old = _first(table, table.c.booking_id, table.c.state.is_not(None), table.c.at < before)
        change = update(table).where(table.c.booking_id.in_(old))
        return await self._change(change.values(state=None, previous=None))

    async def names(self, before: datetime) -> int:
        """By whom bookings were made that were told before; what they are called stays."""
        table = booking_names
        old = _first(table, table.c.id, table.c.contact != "", table.c.at < before)
        return await self._change(update(table).where(table.c.id.in_(old)).values(contact=""))

    async def people(self, before: datetime) -> int:
        """E-mail addresses in deliveries, cards, gates and what Slack answered about people."""
        changed = 0
        old = _first(deliveries, deliveries.c.seq, _names(deliveries), deliveries.c.created_at < before)
        masked = {"destination": literal(_ERASED) + deliveries.c.id, "mention": "none"}
        changed += await self._change(update(deliveries).where(deliveries.c.seq.in_(old)).values(masked))
        is_over = exists().where(
            booking_states.c.booking_id == cards.c.booking_id, booking_states.c.state.is_(None)
        )
        changed += await self._change(delete(cards).where(_names(cards), is_over))
        idle = (gates.c.failures == 0, or_(gates.c.full_at.is_(None), gates.c.full_at < before))
        personal = gates.c.key.like("@%")
        changed += await self._change(delete(gates).where(personal, *idle))
        changed += await self._change(delete(slack_users).where(slack_users.c.checked_at < before))
        asked = slack_channels.c.checked_at < before
        return changed + await self._change(delete(slack_channels).where(asked))

    async def attempts(self, before: datetime) -> int:
        """Calls made before."""
        oldest = select(attempts.c.seq, attempts.c.at).order_by(attempts.c.seq).limit(BATCH)
        async with self._database.read() as connection:
            seqs = [row.seq for row in await connection.execute(oldest) if row.at < before]
        return await self._change(delete(attempts).where(attempts.c.seq.in_(seqs))) if seqs else 0

    async def finish(self) -> None:
        """Take what was erased out of SQLite's log as well."""
        await self._database.truncate_wal()

    async def _change(self, statement: Any) -> int:
        """Run one statement; SQLite overwrites what it erases."""
        async with self._database.write() as connection:
            if self._database.is_sqlite:
                await connection.execute(_OVERWRITE)
            changed: int = (await connection.execute(statement)).rowcount
            if self._database.is_sqlite:
                await connection.execute(_LEAVE)
        return changed


def _first(table: Table, key: Any, *conditions: ColumnElement[bool]) -> Any:
    return select(key).select_from(table).where(*conditions).limit(BATCH)


def _names(table: Any) -> ColumnElement[bool]:
    """Whether a row names a person by e-mail, as the rules did."""
    by_mail = table.c.destination.like("@%") & table.c.destination.not_like(f"{_ERASED}%")
    return or_(by_mail, table.c.mention.like("%@%"))
