"""Events on their way to the disk: stored and committed before they are acknowledged.

Concurrent requests share commits: what arrives while one commit is on its way to the disk goes
together with the next, so that durability does not cost throughput. In a flood the next one waits a
moment for as many as came before: each commit costs hops between threads that contend for Python's lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, update

from bridge.core.reading import Envelope
from bridge.core.text import text
from bridge.database import Database, Unavailable
from bridge.store.events import TOPIC
from bridge.tables.delivery import events

MOST_WAITING: Final = 16 * 2**20
"""Bytes of bodies that may wait for the disk."""

PATIENCE: Final = 3.0
"""Seconds that one event may wait for it."""

_LARGEST_COMMIT: Final = 200
_FLOOD: Final = 8
"""Events that wait for the disk at the same time; a steady stream of hundreds a second has fewer."""

_GATHERED: Final = 0.003
"""Seconds that a commit waits, at most, for as many events as waited during the one before."""

_MOMENT: Final = 0.2
"""Seconds for which a flood is not over yet."""

_REMEMBERED: Final = 30.0
"""Seconds for which a refusal is told of: whoever keeps events away for it must send one to see it gone."""

_WATCH: Final = 0.25


@dataclass(slots=True)  # not frozen, which costs several times as much to make
class _Arrival:
    row: dict[str, Any]
    size: int
    deadline: float
    stored: asyncio.Future[bool]


def received_row(envelope: Envelope, body: bytes, version: str, source: str, now: datetime) -> dict[str, Any]:
    """An event as it is first stored, for `Database.append`."""
    return {
        "id": envelope.id,
        "name": envelope.event,
        "at": envelope.at,
        "received_at": now,
        "version": text(version, limit=20),
        "source": source,
        "booking_id": envelope.booking_id,
        "state": "unrecognised" if envelope.problem else "received",
        "problem": envelope.problem,
        "rules_hash": "",
        "body": body,
    }


class Intake:
    """Takes events into one database. Run `run` as a task while `accept` is in use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Arrival] = []
        self._writing: Sequence[_Arrival] = ()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._expected = 0
        self._enough: asyncio.Future[None] | None = None
        self._watching = False
        self._flooded_until = 0.0
        self._refusal = ""
        self._refused_at = 0.0

    @property
    def trouble(self) -> str:
        """Why an event was refused in the last half minute, "" when one has been stored since."""
        now = asyncio.get_running_loop().time()
        return self._refusal if now < self._refused_at + _REMEMBERED else ""

    @property
    def is_flooded(self) -> bool:
        """Whether many events wait for the disk at once, now or a moment ago."""
        return asyncio.get_running_loop().time() < self._flooded_until

    def accept(
        self, envelope: Envelope, body: bytes, version: str, source: str, now: datetime
    ) -> asyncio.Future[bool]:
        """Store an event on disk; false when it was known. To be awaited.

        Raises Unavailable, here or when awaited, after three seconds at the latest.
        """
        size = len(body)
        if self._bytes + size > MOST_WAITING:
            raise self._refused("too many events are waiting to be stored")
        loop = asyncio.get_running_loop()
        arrival = _Arrival(
            received_row(envelope, body, version, source, now),
            size,
            loop.time() + PATIENCE,
            loop.create_future(),
        )
        self._waiting.append(arrival)
        self._bytes += size
        waiting = len(self._waiting)
        if not self._arrived.is_set():
            self._arrived.set()
        if waiting + len(self._writing) >= _FLOOD:
            self._flooded_until = arrival.deadline - PATIENCE + _MOMENT
        if self._enough is not None and waiting >= self._expected:
            _end(self._enough)
        if not self._watching:
            self._watching = True
            loop.call_later(_WATCH, self._watch)
        return arrival.stored

    def _refused(self, reason: str) -> Unavailable:
        self._refusal, self._refused_at = reason, asyncio.get_running_loop().time()
        return Unavailable(reason)

    def _watch(self) -> None:
        """Give up what waited too long: one timer for all, while anything waits."""
        now = asyncio.get_running_loop().time()
        arrivals = [*self._writing, *self._waiting]
        for arrival in arrivals:
            if now > arrival.deadline and not arrival.stored.done():
                arrival.stored.set_exception(self._refused("the database did not take the event in time"))
        self._bytes -= sum(arrival.size for arrival in self._waiting if arrival.stored.done())
        self._waiting = [arrival for arrival in self._waiting if not arrival.stored.done()]
        self._watching = bool(arrivals)
        if self._watching:
            asyncio.get_running_loop().call_later(_WATCH, self._watch)

    async def run(self) -> None:
        """Commit what was accepted, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._gather()
                batch, self._waiting = self._waiting[:_LARGEST_COMMIT], self._waiting[_LARGEST_COMMIT:]
                self._writing = [arrival for arrival in batch if not arrival.stored.done()]
                if self._writing:
                    await self._commit(self._writing)
                self._bytes -= sum(arrival.size for arrival in batch)
                self._expected = min(len(self._writing) + len(self._waiting), _LARGEST_COMMIT)
                self._writing = ()

    async def _gather(self) -> None:
        """In a flood, wait until as many have come as it is made of, but no longer than a moment."""
        if not _FLOOD <= self._expected > len(self._waiting):
            return
        loop = asyncio.get_running_loop()
        self._enough = loop.create_future()
        timer = loop.call_later(_GATHERED, _end, self._enough)
        try:
            await self._enough
        finally:
            timer.cancel()
            self._enough = None

    async def _commit(self, batch: Sequence[_Arrival]) -> None:
        rows = {arrival.row["id"]: arrival.row for arrival in reversed(batch)}
        try:
            new = await self._database.append(events, list(rows.values()), key="id", topic=TOPIC)
            known = [row for identity, row in rows.items() if identity not in new]
            new |= await self._understood(known) if known else set()
        except Unavailable as problem:
            for arrival in batch:
                if not arrival.stored.done():
                    arrival.stored.set_exception(self._refused(str(problem)))
            return
        self._refusal = ""
        for arrival in batch:
            if not arrival.stored.done():
                arrival.stored.set_result(arrival.row["id"] in new)
            new.discard(arrival.row["id"])  # a repeat in the same commit is known already

    async def _understood(self, known: Sequence[dict[str, Any]]) -> set[str]:
        """Of what was stored before and not understood then, what is now: it came in another version.

        Their ids; they are to be routed. Raises Unavailable.
        """
        better = [
            {f"b_{name}": row[name] for name in ("id", *_BETTER)}
            for row in known
            if row["state"] == "received"
        ]

        def keep(connection: Connection) -> set[str]:
            found = {row["b_id"] for row in better if connection.execute(_UNDERSTOOD, row).rowcount}
            if found:
                self._database.notify(connection, TOPIC)
            return found

        found = await self._database.transact(keep) if better else set()
        if found:
            self._database.wake(TOPIC)
        return found


_BETTER: Final = ("name", "at", "version", "booking_id", "state", "problem", "body")
_UNDERSTOOD: Final = (
    update(events)
    .where(events.c.id == bindparam("b_id"), events.c.state == "unrecognised")
    .values({name: bindparam(f"b_{name}") for name in _BETTER} | {"routed_at": None})
)


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
