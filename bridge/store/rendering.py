"""After an upgrade that shows bookings differently, every revision rises once: calendars take it then."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, case, update

from bridge.core.feeds.calendar import RENDERING
from bridge.core.feeds.tokens import DETAILS
from bridge.database import Database
from bridge.store.names import TOPIC, next_revision
from bridge.store.statements import insert_into
from bridge.tables.delivery import facts
from bridge.tables.mirror import booking_hosts, bookings, farewells

_KEY: Final = "rendering"


async def keep_up(database: Database, now: datetime) -> bool:
    """Whether the version before showed bookings differently; one of all replicas lets the marks rise.

    Where there are no bookings yet, none was shown. The mirror's row must be there. Raises Unavailable.
    """
    said = insert_into(database.dialect, facts).values(key=_KEY, value=RENDERING, at=now)
    said = said.on_conflict_do_update(
        index_elements=["key"], set_={"value": RENDERING, "at": now}, where=facts.c.value != RENDERING
    )
    async with database.write() as connection:
        if await connection.scalar(said.returning(facts.c.key)) is None:
            return False
        revision = (await next_revision(connection)).revision
        rose = 0
        for table in (bookings, booking_hosts, farewells):
            rose += (await connection.execute(update(table).values(_risen(table, revision, now)))).rowcount
        await connection.run_sync(database.notify, TOPIC)
    database.wake(TOPIC)
    return rose > 0


def _risen(table: Table, revision: int, now: datetime) -> dict[str, Any]:
    """All marks a step higher, and as of now."""
    second = now.replace(microsecond=0)
    risen: dict[str, Any] = {"revision": revision} if "revision" in table.c else {}
    for detail in DETAILS:
        sequence, at = table.c[f"{detail}_sequence"], table.c[f"{detail}_at"]
        risen[sequence.name] = sequence + 1
        # A mark from a clock that went ahead stays: SEQUENCE alone tells calendars then.
        risen[at.name] = case((at < second, second), else_=at)
    return risen
