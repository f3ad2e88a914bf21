"""A full refresh: names, then every booking of the window, planned as a whole before it is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from bridge.copera import BrokenListing, Copera, CoperaError, Forbidden, Unauthorised
from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.refresh import DAY, GRACE, Changes, Listing, Suspicious, plan_refresh, window
from bridge.mirror.writing import MirrorWriter
from bridge.store.bookings import Bookings
from bridge.store.facts import ACCEPT, Facts
from bridge.store.refreshes import SUSPICIOUS, Refreshes

_MOST_ASKED: Final = 50
"""Missing bookings that are asked for one by one in one refresh; the others wait for the next."""

_REMEDY: Final = "if they are gone from Copera indeed: booking-bridge feeds accept"
_AT_ONCE: Final = 500
"""Bookings that are stored together in the very first refresh."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a refresh went: bookings listed, how many changed or went; `problem` is "" when all was well.

    `accepted` is false when nothing of the listing was used.
    """

    accepted: bool
    size: int = 0
    changed: int = 0
    removed: int = 0
    problem: str = ""


class Refresher:
    """Refreshes the mirror; `people` are those named in the rules."""

    def __init__(
        self,
        copera: Copera,
        bookings: Bookings,
        refreshes: Refreshes,
        facts: Facts,
        writer: MirrorWriter,
        *,
        clock: Callable[[], datetime],
        past_days: int,
        people: Callable[[], Iterable[Person]],
    ) -> None:
        self._told = False
        self._copera = copera
        self._bookings = bookings
        self._refreshes = refreshes
        self._facts = facts
        self._writer = writer
        self._clock = clock
        self._past_days = past_days
        self._people = people

    async def refresh(self) -> Outcome:
        """Refresh once and note how it went. Raises Unavailable when the database does not work."""
        problems = await self.names()
        try:
            outcome = await self._bookings_outcome("; ".join(problems))
        except BrokenListing as problem:
            outcome = Outcome(accepted=False, problem=f"{SUSPICIOUS}{problem}")
        except CoperaError as problem:
            outcome = Outcome(accepted=False, problem=str(problem))
        if outcome.accepted:
            await self._refreshes.succeeded(self._clock(), outcome.size, outcome.problem)
        else:
            await self._refreshes.failed(self._clock(), outcome.problem)
        return outcome

    async def _bookings_outcome(self, problem: str) -> Outcome:
        since = window(self._clock(), self._past_days)
        listing = Listing(await self._bookings.traces(since))
        count = await self._read(listing, since)
        plan = await self._plan(listing)
        if isinstance(plan, Suspicious):
            return Outcome(accepted=False, problem=f"{SUSPICIOUS}{plan.reason}; {_REMEDY}")
        count += await self._writer.store(plan.upserts)
        removed, unanswered = await self._ask_for(plan)
        left = self._clock() - GRACE - 2 * DAY
        await self._bookings.forget(since - DAY, left, [] if listing.shifted else listing.unlisted())
        return Outcome(True, plan.size, count, removed, "; ".join(filter(None, [problem, unanswered])))

    async def _plan(self, listing: Listing) -> Changes | Suspicious:
        """What to do; an admin's word for what looks suspicious holds until nothing does any more."""
        plan = plan_refresh(listing)
        if not await self._facts.is_set(ACCEPT):
            return plan
        if isinstance(plan, Suspicious):
            return plan_refresh(listing, trusted=True)
        await self._facts.clear(ACCEPT)
        return plan

    async def _read(self, listing: Listing, since: datetime) -> int:
        """Read all pages; how many bookings were stored already.

        At first nothing can be lost yet: then bookings are stored while others are read, many at once,
        and not all of them are held in memory.
        """
        at_first = not listing.known
        storing: asyncio.Task[int] | None = None
        count = 0
        try:
            async with aclosing(self._copera.pages(since, ahead=True)) as pages:
                async for page in pages:
                    listing.add(page)
                    if at_first and len(listing.different) >= _AT_ONCE:
                        count += await _finished(storing)
                        storing = asyncio.create_task(self._writer.store(listing.take_out(), _AT_ONCE))
        finally:
            count += await _finished(storing)
        return count

    async def _ask_for(self, plan: Changes) -> tuple[int, str]:
        """Ask for each booking that was not listed; only one that is answered with 404 is gone.

        How many are, and why asking ended early: the others stay as they are until the next refresh.
        """
        removed = 0
        for uid in plan.missing[:_MOST_ASKED]:
            asked_at = self._clock()
            try:
                sighting = await self._copera.booking(uid)
            except CoperaError as problem:
                return removed, f"a booking that was not listed could not be asked for: {problem}"
            if sighting is None:
                removed += await self._writer.remove(uid, asked_at)
            elif sighting.uid == uid:
                await self._writer.store([sighting])
        return removed, ""

    async def names(self) -> list[str]:
        """Read members and booking types; what went wrong, which keeps the names known so far."""
        problems = []
        try:
            types: Sequence[BookingType] = await self._copera.types()
        except CoperaError as problem:
            problems.append(str(problem))
            types = ()
        if types:
            await self._refreshes.save_types(types, self._clock())
        try:
            members: Sequence[Person] = await self._copera.members()
        except (Forbidden, Unauthorised):  # usual for a token that reads bookings perfectly well
            members = ()
            if not self._told:
                remedy = "the directory is closed to this token; name hosts under people: in the rules"
                log.info("copera.directory_closed", remedy=remedy)
                self._told = True
        except CoperaError as problem:
            problems.append(str(problem))
            members = ()
        people = tuple(Directory(members or await self._refreshes.people(), self._people()))
        await self._refreshes.save_people(people, self._clock())
        return problems


async def _finished(storing: asyncio.Task[int] | None) -> int:
    """What was stored; a transaction is never broken off, also when the refresh is given up."""
    if storing is None:
        return 0
    await asyncio.wait([storing])
    return storing.result()
