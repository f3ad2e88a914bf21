"""What the retention erases: bodies, states and people. Identities stay, so that a repeat is recognised."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Delete,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)

from bridge.core.repair import Gist
from bridge.database import Database
from bridge.store.claims import active
from bridge.tables.delivery import (
    attempts,
    booking_states,
    cards,
    deliveries,
    events,
    gates,
    rules_files,
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
        """Bodies and former states of events received before, but of those that are still to be told."""
        waits = exists().where(deliveries.c.event_id == events.c.id, active(deliveries))
        is_routed = events.c.state != literal_column("'received'")
        old = (events.c.body.is_not(None), events.c.received_at < before, is_routed, ~waits)
        return await self._change(events, old, update(events).values(body=None, previous=None))

    async def states(self, before: datetime) -> int:
        """Bookings as they were last told before; what is not personal stays, so does their place."""
        table = booking_states
        old = (table.c.state.is_not(None), table.c.at < before)
        query = select(table.c.booking_id, table.c.state).where(*old).limit(BATCH)
        async with self._database.look() as connection:
            rows = (await connection.execute(query)).all()
        left = [{"key": row.booking_id, "left": Gist.read(row.state).text()} for row in rows]
        change = update(table).where(table.c.booking_id == bindparam("key"), *old)
        erased = change.values(state=None, previous=None, gist=bindparam("left"))
        return await self._write(erased, left) if left else 0

    async def names(self, before: datetime) -> int:
        """By whom bookings were made that were told before; what they are called stays."""
        table = booking_names
        old = (table.c.contact != "", table.c.at < before)
        return await self._change(table, old, update(table).values(contact=""))

    async def people(self, before: datetime) -> int:
        """E-mail addresses in deliveries, cards, gates and what Slack answered about people.

        A card is needed for as long as its booking may change.
        """
        over_at = func.coalesce(booking_states.c.over_at, booking_states.c.at)
        is_over = exists().where(booking_states.c.booking_id == cards.c.booking_id, over_at < before)
        idle = (gates.c.failures == 0, or_(gates.c.full_at.is_(None), gates.c.full_at < before))
        changed = 0
        for table, old, change in (
            (
                deliveries,
                (_names(deliveries), deliveries.c.created_at < before, ~active(deliveries)),
                update(deliveries).values(_masked),
            ),
            (cards, (_names(cards), is_over), delete(cards)),
            (gates, (gates.c.key.like("@%"), *idle), delete(gates)),
            (slack_users, (slack_users.c.checked_at < before,), delete(slack_users)),
            (slack_channels, (slack_channels.c.checked_at < before,), delete(slack_channels)),
        ):
            changed += await self._change(table, old, change)
        return changed

    async def rules(self, before: datetime) -> int:
        """Rules files, which name people, that nothing is told by any more; one in force is kept anew."""
        told_by = select(events.c.rules_hash).where(events.c.body.is_not(None))
        old = (rules_files.c.since < before, rules_files.c.hash.not_in(told_by))
        return await self._change(rules_files, old, delete(rules_files))

    async def attempts(self, before: datetime) -> int:
        """Calls made before."""
        oldest = select(attempts.c.seq, attempts.c.at).order_by(attempts.c.seq).limit(BATCH)
        async with self._database.look() as connection:
            seqs = [row.seq for row in await connection.execute(oldest) if row.at < before]
        return await self._write(delete(attempts).where(attempts.c.seq.in_(seqs))) if seqs else 0

    async def finish(self) -> None:
        """Take what was erased out of SQLite's log as well."""
        await self._database.truncate_wal()

    async def _change(self, table: Table, old: Sequence[ColumnElement[bool]], change: Update | Delete) -> int:
        """Change the rows that are old. They are found first: that may take long, and holds up nobody."""
        key = tuple(table.primary_key)
        async with self._database.look() as connection:
            found = (await connection.execute(select(*key).where(*old).limit(BATCH))).all()
        if not found:
            return 0
        chosen = tuple_(*key).in_(found) if len(key) > 1 else key[0].in_([row[0] for row in found])
        return await self._write(change.where(chosen, *old))

    async def _write(self, statement: Update | Delete, rows: Sequence[dict[str, Any]] = ()) -> int:
        """Run one statement, for each of the rows if there are any; SQLite overwrites what it erases."""
        async with self._database.write() as connection:
            if self._database.is_sqlite:
                await connection.execute(_OVERWRITE)
            changed: int = (await connection.execute(statement, rows or None)).rowcount
            if self._database.is_sqlite:
                await connection.execute(_LEAVE)
        return changed


def _goes_to(table: Any) -> ColumnElement[bool]:
    """Whether a row's destination is an e-mail address."""
    return and_(table.c.destination.like("@%"), table.c.destination.not_like(f"{_ERASED}%"))


def _mentions(table: Any) -> ColumnElement[bool]:
    """Whether a row mentions somebody by e-mail."""
    found: ColumnElement[bool] = table.c.mention.like("%@%")
    return found


def _names(table: Any) -> ColumnElement[bool]:
    """Whether a row names a person by e-mail, as the rules did."""
    return or_(_goes_to(table), _mentions(table))


_masked: Final = {
    "destination": case(
        (_goes_to(deliveries), literal(_ERASED) + deliveries.c.id), else_=deliveries.c.destination
    ),
    "mention": case((_mentions(deliveries), "none"), else_=deliveries.c.mention),
}
