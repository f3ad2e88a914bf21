"""How the mirror fares, who refreshes it, and the names it learnt: members and booking types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Table, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.bookings import BookingType, Person
from bridge.database import Database
from bridge.store.names import TOPIC, Renaming, next_revision, read_people, read_types, view_of
from bridge.store.statements import insert_into
from bridge.tables.mirror import booking_types, members, mirror

SUSPICIOUS: Final = "suspicious: "
"""How the problem of a listing that was not used begins."""


@dataclass(frozen=True, slots=True)
class MirrorState:
    """The mirror as a whole; `refreshed_at` is None before a refresh was ever accepted."""

    revision: int
    feeds_revision: int
    names_at: datetime | None
    refreshed_at: datetime | None
    problem: str
    problem_at: datetime | None
    size: int
    ids_differ: bool


_STATE = tuple(mirror.c[name] for name in MirrorState.__slots__)
_NEW: MirrorState = MirrorState(0, 0, None, None, "", None, 0, False)


class Refreshes:
    """The mirror's state in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = partial(insert_into, database.dialect)

    async def prepare(self) -> None:
        """Make the one row that the rest needs, if it is not there."""
        row = {"id": 1, "holder": "", "lease_until": None}
        row |= {name: getattr(_NEW, name) for name in MirrorState.__slots__}
        async with self._database.write() as connection:
            await connection.execute(self._insert(mirror).values(**row).on_conflict_do_nothing())

    async def state(self) -> MirrorState:
        """How things stand; a mirror that was never prepared is new."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(*_STATE))).first()
        return MirrorState(*row) if row else _NEW

    async def lease(self, holder: str, now: datetime, length: timedelta) -> bool:
        """Take or extend the right to refresh; False while another replica has it."""
        free = or_(mirror.c.lease_until.is_(None), mirror.c.lease_until < now, mirror.c.holder == holder)
        statement = update(mirror).where(free).values(holder=holder, lease_until=now + length)
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def release(self, holder: str) -> None:
        """Give the right to refresh back."""
        await self._set({"lease_until": None}, mirror.c.holder == holder)

    async def succeeded(self, now: datetime, size: int, problem: str = "") -> None:
        """A refresh was accepted; `problem` is what else went wrong, with the names for instance."""
        await self._set(
            {"refreshed_at": now, "size": size, "problem": problem, "problem_at": now if problem else None}
        )

    async def failed(self, now: datetime, problem: str) -> None:
        """A refresh failed, or was suspicious; `problem_at` stays that of the first of several."""
        began = case((mirror.c.problem != "", func.coalesce(mirror.c.problem_at, now)), else_=now)
        await self._set({"problem": problem, "problem_at": began})

    async def learn_ids_differ(self) -> None:
        """What webhooks call a booking is not the API's uid."""
        await self._set({"ids_differ": True})

    async def _set(self, values: dict[str, Any], *where: Any) -> None:
        async with self._database.write() as connection:
            await connection.execute(update(mirror).where(*where).values(**values))

    async def people(self) -> tuple[Person, ...]:
        """The members and hosts as last named."""
        async with self._database.read() as connection:
            return await read_people(connection)

    async def types(self) -> tuple[BookingType, ...]:
        """The booking types as last listed."""
        async with self._database.read() as connection:
            return await read_types(connection)

    async def save_people(self, people: Sequence[Person], now: datetime) -> bool:
        """Take over names; calendars are told where they show one that changed."""
        old, types = await self.people(), await self.types()
        known = {person.id: person for person in old}
        new = {person.id: Person(person.id, person.name, person.email) for person in people}
        changed = [one for one in new.values() if known.get(one.id) != one]
        if not changed and known.keys() == new.keys():
            return False
        renaming = Renaming(view_of(old, types), view_of(new.values(), types), now)
        rows = [{"id": one.id, "name": one.name, "email": one.email} for one in changed]
        await self._rename(renaming, members, rows, known.keys() - new.keys(), now)
        return True

    async def save_types(self, types: Sequence[BookingType], now: datetime) -> bool:
        """Take over booking types; calendars are told where they show a colour that changed."""
        old, people = await self.types(), await self.people()
        known = {kind.id: kind for kind in old}
        new = {kind.id: kind for kind in map(_bare, types)}
        changed = [kind for kind in new.values() if known.get(kind.id) != kind]
        if not changed and known.keys() == new.keys():
            return False
        renaming = Renaming(view_of(people, old), view_of(people, new.values()), now)
        rows = [{name: getattr(kind, name) for name in booking_types.c.keys()} for kind in changed]  # noqa: SIM118
        await self._rename(renaming, booking_types, rows, known.keys() - new.keys(), now)
        return True

    async def _rename(
        self, renaming: Renaming, table: Table, rows: list[dict[str, Any]], lost: Iterable[str], now: datetime
    ) -> None:
        await renaming.look(self._database)
        async with self._database.write() as connection:
            await self._replace(connection, table, rows, lost)
            revision = (await next_revision(connection)).revision
            await connection.execute(update(mirror).values(names_at=now))
            await renaming.apply(connection, revision)
            await connection.run_sync(self._database.notify, TOPIC)

    async def _replace(
        self, connection: AsyncConnection, table: Any, rows: list[dict[str, Any]], lost: Iterable[str]
    ) -> None:
        if gone := list(lost):
            await connection.execute(delete(table).where(table.c.id.in_(gone)))
        if rows:
            statement = self._insert(table)
            values = {name: statement.excluded[name] for name in rows[0] if name != "id"}
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["id"], set_=values), rows
            )


def _bare(kind: BookingType) -> BookingType:
    """Without the description, which nothing here shows."""
    return BookingType(
        kind.id,
        title=kind.title,
        slug=kind.slug,
        kind=kind.kind,
        color=kind.color,
        duration=kind.duration,
        hidden=kind.hidden,
        active=kind.active,
    )
