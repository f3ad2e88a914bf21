"""What people ask of the past: deliveries with their attempts, the event behind a message, another try."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, and_, case, exists, or_, select, update

from bridge.core.bookings import Booking, Event
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.database import Database
from bridge.store.claims import DEAD, waiting
from bridge.store.delivery import Attempt
from bridge.store.events import StoredEvent, is_called
from bridge.store.gates import Gates
from bridge.store.routing import TOPIC, known_booking
from bridge.tables.delivery import attempts, cards, deliveries, events, gates, rules_files
from bridge.tables.mirror import links
from bridge.tables.repair import booking_names

_LINK: Final = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})(?:\?(?:.*&)?thread_ts=([\d.]+))?")
_APP_LINK: Final = re.compile(r"/client/[A-Z0-9]+/[A-Z0-9]+/thread/([A-Z0-9]+)-(\d{10}\.\d{6})")
"""What the browser's address is beside an open thread: its card."""

_SLICE: Final = 500


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


@dataclass(frozen=True, slots=True)
class Found:
    """Events that were looked for; `more` says that there are others, which are not among these."""

    events: tuple[EventRecord, ...]
    more: bool = False


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

    async def find(self, what: str, *, limit: int = 20) -> Found:
        """The events behind an event's id (or its beginning), a booking's id, or a link to a Slack message.

        A booking is found by the id that webhooks use, and by the read API's uid once that was learnt. Of a
        message the events that it tells come first, then what else its card told; the latest of many.
        """
        query = select(*_EVENT, events.c.rules_hash, events.c.previous, rules_files.c.text)
        query = query.select_from(events.outerjoin(rules_files, rules_files.c.hash == events.c.rules_hash))
        if link := _message(what):
            channel, ts, thread = link
            own = events.c.id.in_(_posted(channel, [ts]))
            messages = [ts, *filter(None, [thread])]  # a reply, and its thread's card
            query = query.where(events.c.id.in_(_posted(channel, messages).union(_carded(channel, messages))))
            query = query.order_by(case((own, 0), else_=1))
        else:
            of_event = is_called(what)
            called = select(links.c.webhook_id).where(links.c.uid == what)
            keys = select(booking_names.c.key).where(
                (booking_names.c.id == what) | booking_names.c.id.in_(called)
            )
            of_booking = (events.c.booking_id == what) | events.c.booking_id.in_(keys)
            query = query.where(of_event | of_booking)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(events.c.seq.desc()).limit(limit + 1))
            found = [dict(row._mapping) for row in rows]
        records = [await self._record(row) for row in found[:limit]]
        return Found(tuple(records), more=len(found) > limit)

    async def _record(self, row: dict[str, Any]) -> EventRecord:
        rules_hash, previous, rules = row.pop("rules_hash"), row.pop("previous"), row.pop("text")
        event = StoredEvent(**row)
        sent = await self.deliveries(event_id=event.id, limit=500)
        return EventRecord(event, known_booking(previous), rules_hash, rules, tuple(sent))

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
        """Have dead deliveries tried again, and now those that wait for another try; how many.

        All of them when no ids are given. What may have reached Slack before is still looked up there first.
        One whose event was erased has nothing to tell any more, and stays dead.
        """
        named = [deliveries.c.id.in_(ids)] if ids else []
        told = exists().where(events.c.id == deliveries.c.event_id, events.c.body.is_not(None))
        failing = select(gates.c.key).where(gates.c.failures > 0)
        later = or_(deliveries.c.next_at > now, deliveries.c.destination.in_(failing))
        dead, late = and_(DEAD, told, *named), and_(waiting(deliveries), later, *named)
        fresh = {"state": "waiting", "next_at": now, "attempts": 0, "failing_since": None, "done_at": None}
        opened = {"open_at": now, "failures": 0, "reason": "", "since": None}
        async with self._database.write() as connection:
            await connection.run_sync(Gates(self._database).lock)
            rows = await connection.execute(
                select(deliveries.c.seq, deliveries.c.state, deliveries.c.destination).where(or_(dead, late))
            )
            chosen = rows.all()
            for first in range(0, len(chosen), _SLICE):
                part = chosen[first : first + _SLICE]
                places = {row.destination for row in part}
                failed = (gates.c.key.in_(places), gates.c.failures > 0)  # what Slack or a pace shut stays so
                await connection.execute(update(gates).where(*failed).values(opened))
                for state, values in (("dead", fresh), ("waiting", {"next_at": now})):
                    seqs = [row.seq for row in part if row.state == state]
                    await connection.execute(
                        update(deliveries).where(deliveries.c.seq.in_(seqs)).values(values)
                    )
            await connection.run_sync(self._database.notify, TOPIC)
        self._database.wake(TOPIC)
        return len(chosen)

    async def erased(self, ids: Sequence[str]) -> set[str]:
        """Which of these deliveries have nothing to tell any more."""
        query = select(deliveries.c.id).join(events, events.c.id == deliveries.c.event_id)
        async with self._database.read() as connection:
            return set(
                await connection.scalars(query.where(deliveries.c.id.in_(ids), events.c.body.is_(None)))
            )


def _message(what: str) -> tuple[str, str, str] | None:
    """Of a link to a message its channel, ts, and thread's ts, "" for none; None for what is no such link."""
    if link := _LINK.search(what):
        return link[1], f"{link[2]}.{link[3]}", link[4] or ""
    if link := _APP_LINK.search(what):
        return link[1], link[2], ""
    return None


def _posted(channel: str, messages: Sequence[str]) -> Select[Any]:
    """The events whose delivery posted one of these messages."""
    return select(deliveries.c.event_id).where(deliveries.c.channel == channel, deliveries.c.ts.in_(messages))


def _carded(channel: str, messages: Sequence[str]) -> Select[Any]:
    """The events of the bookings of which one of these messages is the card."""
    query = select(events.c.id).join(cards, cards.c.booking_id == events.c.booking_id)
    return query.where(cards.c.channel == channel, cards.c.ts.in_(messages))
