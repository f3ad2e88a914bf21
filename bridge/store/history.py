"""What people ask of the past: deliveries with their attempts, the event behind a message, another try."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CompoundSelect, Select, select, update

from bridge.core.bookings import Booking, Event
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.database import Database
from bridge.store.claims import DEAD
from bridge.store.delivery import Attempt
from bridge.store.events import StoredEvent
from bridge.store.gates import Gates
from bridge.store.routing import TOPIC, known_booking
from bridge.tables.delivery import attempts, cards, deliveries, events, gates, rules_files
from bridge.tables.mirror import links
from bridge.tables.repair import booking_names

_LINK: Final = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})(?:\?(?:.*&)?thread_ts=([\d.]+))?")


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery as people see it, with its latest attempts, oldest first."""

    id: str
    event_id: str
    booking_id: str
    destination: str
    rule: str
    style: str
    state: str
    attempts: int
    next_at: datetime
    channel: str
    ts: str
    error: str
    problem: str
    created_at: datetime
    done_at: datetime | None
    calls: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event with what it was routed by, and where it went.

    `rules` is the text of the rules file that was in force, None when it was not routed.
    """

    event: StoredEvent
    previous: Booking | None
    rules_hash: str
    rules: bytes | None
    deliveries: tuple[DeliveryRecord, ...]


_RECORD: Final = tuple(deliveries.c[name] for name in DeliveryRecord.__slots__ if name != "calls")
_EVENT: Final = tuple(events.c[name] for name in StoredEvent.__slots__)


class History:
    """Questions to one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deliveries(
        self,
        *,
        state: str = "",
        limit: int = 50,
        ids: Sequence[str] = (),
        event_id: str = "",
        booking_id: str = "",
    ) -> list[DeliveryRecord]:
        """The latest deliveries, newest first."""
        query = select(*_RECORD).order_by(deliveries.c.seq.desc()).limit(limit)
        if state:
            query = query.where(DEAD if state == "dead" else deliveries.c.state == state)
        if ids:
            query = query.where(deliveries.c.id.in_(ids))
        if event_id:
            query = query.where(deliveries.c.event_id == event_id)
        if booking_id:
            query = query.where(deliveries.c.booking_id == booking_id)
        return await self._records(query)

    async def _records(self, query: Select[Any]) -> list[DeliveryRecord]:
        async with self._database.read() as connection:
            rows = [row._mapping for row in await connection.execute(query)]
            calls = select(attempts).where(attempts.c.delivery_id.in_([row["id"] for row in rows]))
            made: dict[str, list[Attempt]] = {}
            for call in await connection.execute(calls.order_by(attempts.c.seq)):
                one = Attempt(call.at, call.call, call.outcome, call.milliseconds)
                made.setdefault(call.delivery_id, []).append(one)
        return [DeliveryRecord(**row, calls=tuple(made.get(row["id"], ()))) for row in rows]

    async def find(self, what: str, *, limit: int = 20) -> list[EventRecord]:
        """The events behind an event's id (or its beginning), a booking's id, or a link to a Slack message.

        A booking is found by the id that webhooks use, and by the read API's uid once that was learnt.
        """
        query = select(*_EVENT, events.c.rules_hash, events.c.previous, rules_files.c.text)
        query = query.select_from(events.outerjoin(rules_files, rules_files.c.hash == events.c.rules_hash))
        query = query.order_by(events.c.seq.desc()).limit(limit)
        link = _LINK.search(what)
        if link:
            messages = [f"{link[2]}.{link[3]}", *filter(None, [link[4]])]  # a reply, and its thread's card
            query = query.where(events.c.id.in_(_behind(link[1], messages)))
        elif what:
            of_event = events.c.id.startswith(what.lower(), autoescape=True)
            called = select(links.c.webhook_id).where(links.c.uid == what)
            keys = select(booking_names.c.key).where(
                (booking_names.c.id == what) | booking_names.c.id.in_(called)
            )
            of_booking = (events.c.booking_id == what) | events.c.booking_id.in_(keys)
            query = query.where(of_event | of_booking)
        async with self._database.read() as connection:
            rows = [dict(row._mapping) for row in await connection.execute(query)]
        found = []
        for row in rows:
            rules_hash, previous, rules = row.pop("rules_hash"), row.pop("previous"), row.pop("text")
            event = StoredEvent(**row)
            sent = await self.deliveries(event_id=event.id, limit=500)
            found.append(EventRecord(event, known_booking(previous), rules_hash, rules, tuple(sent)))
        return found

    async def latest(self) -> tuple[Event, Booking | None] | None:
        """The latest event that can be read, and the booking as it was known before."""
        query = select(*_EVENT, events.c.previous).where(events.c.body.is_not(None))
        query = query.order_by(events.c.seq.desc()).limit(50)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            with suppress(NotAnEvent, Unrecognised):
                event = read_event(row.body, row.version, row.source)
                return event, known_booking(row.previous)
        return None

    async def retry(self, ids: Sequence[str], now: datetime) -> int:
        """Have dead deliveries tried again, all of them when no ids are given; how many.

        What may have reached Slack before they died is still looked up there first.
        """
        chosen = DEAD & deliveries.c.id.in_(ids) if ids else DEAD
        fresh = {"state": "waiting", "next_at": now, "attempts": 0, "failing_since": None, "done_at": None}
        async with self._database.write() as connection:
            await connection.run_sync(Gates(self._database).lock)
            places = select(deliveries.c.destination).where(chosen)
            await connection.execute(
                update(gates)
                .where(gates.c.key.in_(places))
                .values(open_at=now, failures=0, reason="", since=None)
            )
            result = await connection.execute(update(deliveries).where(chosen).values(fresh))
            await connection.run_sync(self._database.notify, TOPIC)
        self._database.wake(TOPIC)
        return result.rowcount


def _behind(channel: str, messages: Sequence[str]) -> CompoundSelect[Any]:
    """The events whose delivery posted one of these messages, or whose booking's card it is."""
    posted = select(deliveries.c.event_id).where(
        deliveries.c.channel == channel, deliveries.c.ts.in_(messages)
    )
    carded = (
        select(events.c.id)
        .join(cards, cards.c.booking_id == events.c.booking_id)
        .where(cards.c.channel == channel, cards.c.ts.in_(messages))
    )
    return posted.union(carded)
