"""What webhooks hint at, looked up in the read API: few calls for many hints, and soon.

No guide says that a webhook's `data.id` is the API's uid, so a booking is found by its uid where the
payload has one or it was learnt, else by asking for the id, else among those of its type at its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.copera import Copera, CoperaError
from bridge.core.bookings import Booking
from bridge.core.hints import MARGIN, agrees, find
from bridge.core.sightings import Sighting, seen
from bridge.database import Unavailable
from bridge.log_throttle import LogThrottle
from bridge.mirror.writing import MirrorWriter
from bridge.store.bookings import Bookings
from bridge.store.refreshes import Refreshes

log = structlog.get_logger()

_FOLD: Final = 0.1
"""Seconds to wait for more hints: a created and confirmed pair, or a burst, needs fewer calls."""
_FEW: Final = 3
_AGAIN: Final = (0.5, 1.5, 5.0, 15.0)
"""Seconds until the API is asked again when it lags behind the webhook, or does not answer."""
_LAG: Final = timedelta(seconds=60)
"""After an event: an API that shows something else by then does not lag, it knows of something later."""
_WIDEST: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Hint:
    """A webhook said at `at` that the booking it calls `id` is in this state."""

    id: str
    booking: Booking
    at: datetime
    tries: int = 0


class Hints:
    """Collects hints and follows them; `give_up` is called when only a full refresh can help."""

    def __init__(
        self,
        copera: Copera,
        bookings: Bookings,
        refreshes: Refreshes,
        writer: MirrorWriter,
        *,
        clock: Callable[[], datetime],
        give_up: Callable[[], None],
    ) -> None:
        self._copera = copera
        self._bookings = bookings
        self._refreshes = refreshes
        self._writer = writer
        self._clock = clock
        self._give_up = give_up
        self._waiting: dict[str, Hint] = {}
        self._arrived = asyncio.Event()
        self._ids_differ = False
        self._unanswered = LogThrottle()

    def add(self, hint: Hint) -> None:
        """Take a hint; of several about one booking the latest counts."""
        known = self._waiting.get(hint.id)
        if known is None or known.at <= hint.at:
            self._waiting[hint.id] = hint
            self._arrived.set()

    async def run(self) -> None:
        """Follow hints as they come, for ever."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_FOLD)
            self._arrived.clear()
            hints, self._waiting = list(self._waiting.values()), {}
            try:
                await self.follow(hints)
            except Unavailable as problem:
                log.warning("mirror.hints_waiting", reason=str(problem), hints=len(hints))
                for hint in hints:
                    self._check(hint, None)

    async def follow(self, hints: Sequence[Hint]) -> None:
        """Look up all of these. Raises Unavailable."""
        self._ids_differ = self._ids_differ or (await self._refreshes.state()).ids_differ
        rest = await self._follow_many(hints) if len(hints) > _FEW else hints
        for hint in rest:
            try:
                found = await self._look_up(hint)
            except CoperaError as problem:
                self._tell_unanswered(hint, problem)
                await self._trust(hint)
                found = None
            self._check(hint, found)

    async def _follow_many(self, hints: Sequence[Hint]) -> list[Hint]:
        """Look many up with one listing, as long as that takes no more calls; those it did not tell of."""
        starts = sorted(hint.booking.start for hint in hints if hint.booking.start)
        if not starts or starts[-1] - starts[0] > _WIDEST:
            return list(hints)
        types = {hint.booking.type_id for hint in hints}
        only = types.pop() if len(types) == 1 else ""
        listed: list[Sighting] = []
        pages = 0
        try:
            async for page in self._copera.pages(starts[0] - MARGIN, starts[-1] + MARGIN, only, attempts=1):
                listed += page
                pages += 1
                if pages >= len(hints):
                    break
        except CoperaError as problem:
            log.warning("mirror.hints_unanswered", reason=str(problem))
        await self._writer.store(listed)
        by_uid = {one.uid: seen(one) for one in listed}
        rest = []
        for hint in hints:
            found = by_uid.get(await self._certain_uid(hint) or "") or find(hint.booking, by_uid.values())
            if found is None:
                rest.append(hint)
            else:
                await self._learn(hint, found.uid)
                self._check(hint, found)
        return rest

    async def _look_up(self, hint: Hint) -> Booking | None:
        """The booking as the API has it now, stored; None when it cannot be told which it is."""
        uid = hint.booking.uid or await self._bookings.uid_of(hint.id)
        if uid:
            return await self._ask(uid)
        by_id = None if self._ids_differ else await self._ask(hint.id)
        if by_id is not None:
            if by_id.uid != hint.id:
                await self._bookings.link(hint.id, by_id.uid)
            return by_id
        found = await self._search(hint.booking)
        if found is not None:
            await self._learn(hint, found.uid)
        return found

    async def _ask(self, uid: str) -> Booking | None:
        sighting = await self._copera.booking(uid, attempts=1)
        if sighting is None:
            return None
        await self._writer.store([sighting])
        return seen(sighting)

    async def _search(self, said: Booking) -> Booking | None:
        """Among the bookings of its type around its start; all of them are news worth keeping."""
        if said.start is None:
            return None
        listed: list[Sighting] = []
        span = (said.start - MARGIN, said.start + MARGIN)
        async for page in self._copera.pages(*span, type_id=said.type_id, attempts=1):
            listed += page
        await self._writer.store(listed)
        return find(said, map(seen, listed))

    async def _learn(self, hint: Hint, uid: str) -> None:
        if uid in {hint.id, hint.booking.uid}:
            return
        await self._bookings.link(hint.id, uid)
        if not self._ids_differ:
            self._ids_differ = True
            await self._refreshes.learn_ids_differ()

    async def _certain_uid(self, hint: Hint) -> str | None:
        """The uid of the booking that a webhook means, where that is beyond doubt."""
        uid = hint.booking.uid or await self._bookings.uid_of(hint.id)
        return uid or (hint.id if hint.id in await self._bookings.known([hint.id]) else None)

    async def _trust(self, hint: Hint) -> None:
        """Without the API, what the webhook said holds for a booking that is known for certain."""
        if uid := await self._certain_uid(hint):
            await self._writer.store_hint(uid, hint.booking, min(hint.at, self._clock()))

    def _tell_unanswered(self, hint: Hint, problem: CoperaError) -> None:
        self._unanswered.add(
            lambda times: log.warning(
                "mirror.hint_unanswered", booking=hint.id, reason=str(problem), times=times
            )
        )

    def _check(self, hint: Hint, found: Booking | None) -> None:
        """Ask again, where the API did not tell of the booking or may lag behind the webhook."""
        if found is None:
            if not self._later(hint):
                self._give_up()
        elif not agrees(hint.booking, found) and self._clock() - hint.at < _LAG:
            self._later(hint)
        else:
            log.info("mirror.followed", booking=hint.id, uid=found.uid, status=found.status)

    def _later(self, hint: Hint) -> bool:
        """Follow a hint again in a while; False when that was done often enough."""
        if hint.tries >= len(_AGAIN):
            return False
        again = replace(hint, tries=hint.tries + 1)
        asyncio.get_running_loop().call_later(_AGAIN[hint.tries], self._retry, again)
        return True

    def _retry(self, hint: Hint) -> None:
        if hint.id not in self._waiting:
            self.add(hint)
