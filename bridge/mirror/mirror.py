"""Keeps the mirror: a full refresh at start and at intervals by one replica at a time, and hints."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.copera import Copera
from bridge.core.bookings import Booking, BookingType, Person
from bridge.database import Database, Unavailable
from bridge.mirror.hinting import Hint, Hints
from bridge.mirror.refreshing import Outcome, Refresher
from bridge.mirror.writing import MirrorWriter
from bridge.store.bookings import Bookings
from bridge.store.facts import Facts
from bridge.store.feeds import FeedStore
from bridge.store.refreshes import MirrorState, Refreshes

log = structlog.get_logger()

_LEASE: Final = timedelta(seconds=15)
"""How long a replica that died keeps the others from refreshing; who lives says so much more often."""
_BEAT: Final = 4.0
_LOOK: Final = 10.0
"""Seconds between looks at whether a refresh is due that another replica should have made."""
_FIRST_WAIT: Final = 5.0


class Mirror:
    """The mirror of one workspace's bookings. Run `run` as a task.

    `shared` is a clock on which replicas agree. `people` are those named in the rules. `changed` is called
    when feeds show something else, `named` with the members and booking types whenever they were read.
    """

    def __init__(
        self,
        database: Database,
        copera: Copera,
        *,
        clock: Callable[[], datetime],
        interval: timedelta,
        past_days: int,
        shared: Callable[[], datetime] | None = None,
        people: Callable[[], Iterable[Person]] = tuple,
        changed: Callable[[], None] = lambda: None,
        named: Callable[[Sequence[Person], Sequence[BookingType]], None] = lambda people, types: None,
    ) -> None:
        self._clock = clock
        self._shared = shared or clock
        self._interval = interval
        self._named = named
        self._changed = changed
        self._refreshes = Refreshes(database)
        bookings = Bookings(database)
        writer = MirrorWriter(bookings, FeedStore(database), clock, changed)
        self._refresher = Refresher(
            copera,
            bookings,
            self._refreshes,
            Facts(database),
            writer,
            clock=clock,
            past_days=past_days,
            people=people,
        )
        self._hints = Hints(copera, bookings, self._refreshes, writer, clock=clock, give_up=self.refresh_soon)
        self._holder = os.urandom(8).hex()
        self._names_at: datetime | None = None
        self._turn = asyncio.Lock()  # the lease keeps other processes out, not this one
        self._wanted = asyncio.Event()

    def hint(self, booking_id: str, booking: Booking, at: datetime) -> None:
        """A webhook said at `at` (its createdAt) that a booking is in this state. Returns at once."""
        self._hints.add(Hint(booking_id, booking, at))

    def refresh_soon(self) -> None:
        """Ask for a full refresh before it is due."""
        self._wanted.set()

    async def state(self) -> MirrorState:
        """How the mirror fares, for health and metrics. Raises Unavailable."""
        return await self._refreshes.state()

    async def run(self) -> None:
        """Refresh and follow hints, for ever; troubles are logged, kept and waited out."""
        await self._prepare()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hints.run())
            tasks.create_task(self._refresh_for_ever())

    async def refresh(self, *, if_due: bool = False) -> Outcome | None:
        """Refresh once now; None while another replica does, or has done lately. Raises Unavailable."""
        async with self._turn:
            return await self._refresh(if_due=if_due)

    async def _refresh(self, *, if_due: bool) -> Outcome | None:
        if if_due and not await self._is_due():
            return None
        await self._refreshes.prepare()
        if not await self._lease():
            return None
        try:
            if if_due and not await self._is_due():  # it was just made
                return None
            async with self._held():
                outcome = await self._refresher.refresh()
        finally:
            await self._refreshes.release(self._holder)
        await self._tell_names()
        self._changed()
        return outcome

    async def _is_due(self) -> bool:
        last = (await self._refreshes.state()).refreshed_at
        return last is None or self._clock() - last >= self._interval * 0.9

    async def _prepare(self) -> None:
        while True:
            try:
                await self._refreshes.prepare()
                await self._tell_names()
            except Unavailable as problem:
                log.warning("mirror.waiting", reason=str(problem))
                await asyncio.sleep(_FIRST_WAIT)
            else:
                return

    async def _refresh_for_ever(self) -> None:
        failures = 0
        if_due = False
        interval = self._interval.total_seconds()
        while True:
            outcome = await self._refresh_once(if_due=if_due)
            if outcome is None:
                wait = min(interval, _LOOK)
            elif outcome.accepted:
                failures, wait = 0, interval
            else:
                failures += 1
                wait = min(interval, _FIRST_WAIT * 2 ** min(failures, 10))
            if_due = not await self._asked_within(wait)

    async def _refresh_once(self, *, if_due: bool) -> Outcome | None:
        began = self._clock()
        try:
            outcome = await self.refresh(if_due=if_due)
            if outcome is None:
                await self._tell_names_of_others()
        except Unavailable as problem:
            outcome = Outcome(accepted=False, problem=str(problem))
        if outcome is not None:
            self._log(outcome, self._clock() - began)
        return outcome

    async def _asked_within(self, seconds: float) -> bool:
        """Wait; true, a little later, when a refresh is asked for meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(min(_FIRST_WAIT, seconds))
        self._wanted.clear()
        return True

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        """Keep the lease while a refresh takes its time."""
        done = asyncio.Event()
        keeping = asyncio.create_task(self._keep(done))
        try:
            yield
        finally:
            done.set()
            await asyncio.wait([keeping])

    async def _keep(self, done: asyncio.Event) -> None:
        while not done.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT):
                    await done.wait()
                return
            with suppress(Unavailable):  # the refresh will tell
                await self._lease()

    async def _lease(self) -> bool:
        return await self._refreshes.lease(self._holder, self._shared(), _LEASE)

    async def _tell_names(self) -> None:
        self._named(await self._refreshes.people(), await self._refreshes.types())

    async def _tell_names_of_others(self) -> None:
        """What another replica read, if that is news."""
        names_at = (await self._refreshes.state()).names_at
        if names_at != self._names_at:
            await self._tell_names()
            self._names_at = names_at

    def _log(self, outcome: Outcome, took: timedelta) -> None:
        milliseconds = round(took / timedelta(milliseconds=1))
        if outcome.accepted:
            log.info(
                "mirror.refreshed",
                size=outcome.size,
                changed=outcome.changed,
                removed=outcome.removed,
                problem=outcome.problem or None,
                ms=milliseconds,
            )
        else:
            log.warning("mirror.refresh_failed", reason=outcome.problem, ms=milliseconds)
