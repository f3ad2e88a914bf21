"""The loop that finds what no webhook told: compares the mirror with what events told, and plays the rest.

It runs after each refresh of the mirror that was accepted, on one replica at a time. What it finds is
stored like any event and takes the same way from there; the router tells whether a webhook was faster.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.core.identity import contact
from bridge.core.reading import VERSION, Envelope, read_envelope
from bridge.core.repair import SOURCE, difference, document, gist, matters
from bridge.core.retry import MISSING_SCOPE, Verdict
from bridge.core.rules.rules import RuleSettings
from bridge.database import Database, Unavailable
from bridge.slack import CallError, Slack
from bridge.store.repair import Due, Repairs, Seen, Sight

log = structlog.get_logger()

PATIENCE: Final = timedelta(minutes=2)
"""How long a webhook may take that tells what the mirror shows."""

_LEASE: Final = timedelta(seconds=15)
_LONGEST_WAIT: Final = 60.0
_BREATH: Final = 1.0
_CHANNELS: Final = 10
_NOT_TO_BE_SEEN: Final = {Verdict.DESTINATION, Verdict.MESSAGE, Verdict.GONE}
_PAGE: Final = 200
_BATCH: Final = 50

Accept = Callable[[Envelope, bytes, str, str, datetime], Awaitable[bool]]
"""Stores an event: envelope, body, version, source, now; false when it was known. Raises Unavailable."""


class Repair:
    """Compares and plays. Run `run` as a task; `wake` after the mirror changed."""

    def __init__(
        self,
        database: Database,
        accept: Accept,
        settings: Callable[[], RuleSettings],
        *,
        clock: Callable[[], datetime],
        slack: Slack | None = None,
        patience: timedelta = PATIENCE,
        observe: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._database = database
        self._repairs = Repairs(database)
        self._accept = accept
        self._settings = settings
        self._clock = clock
        self._slack = slack if slack is not None and slack.has_token else None
        self._patience = patience
        self._observe = observe
        self._holder = os.urandom(8).hex()
        self._begun = clock()
        self._is_fresh = False  # the mirror was refreshed since this process began
        self._is_known = False  # whether the database is an older copy, and then
        self._is_older = False
        self._unseen: list[str] | None = None  # channels that are still to be compared
        self._is_ours = True  # no other replica had its turn when this one asked
        self._breath = min(_BREATH, patience.total_seconds())
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """The mirror may have been refreshed."""
        self._woken.set()

    async def run(self) -> None:
        """Repair for ever; a lost database is waited out."""
        while True:
            try:
                await self.repair()
                pause = await self._pause()
            except Unavailable as trouble:
                self._database.log_unavailable("repair", trouble)
                pause = _LONGEST_WAIT
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            self._woken.clear()
            await asyncio.sleep(self._breath)

    async def _pause(self) -> float:
        """Seconds until what is pending has waited long enough."""
        if not self._is_ours:
            return _LEASE.total_seconds()
        since = await self._repairs.next_since()
        if since is None or not (self._is_fresh and self._is_known and self._settings().repair):
            return _LONGEST_WAIT
        wait = (since + self._patience - self._clock()).total_seconds()
        return min(max(wait, self._breath), _LONGEST_WAIT)

    async def repair(self) -> int:
        """Compare once, and play what is due; how many events. Raises Unavailable."""
        progress = await self._repairs.progress()
        if progress.refreshed_at is None:
            return 0
        is_news = progress.looked_at is None or progress.refreshed_at > progress.looked_at
        self._is_fresh = progress.refreshed_at > self._begun
        if not is_news and (not self._is_fresh or await self._repairs.next_since() is None):
            return 0
        await self._repairs.prepare()
        if not self._is_known and not await self._compare(progress.looked_at):
            return 0
        try:
            self._is_ours = await self._hold()
            if self._is_ours and is_news:
                await self._look(progress.looked_at, progress.refreshed_at)
            may_play = self._is_ours and self._is_fresh and self._settings().repair
            return await self._play() if may_play else 0
        finally:
            await self._repairs.release(self._holder)

    async def _compare(self, last_look: datetime | None) -> bool:
        """Find out, once, whether Slack holds messages since the last look of events unknown here.

        Then the database is an older copy, brought back, and nobody knows what else was told. False while
        Slack does not answer. Where the app may not look, nothing is seen.
        """
        slack = self._slack
        if slack is None or last_look is None:
            self._is_known = True
            return True
        if self._unseen is None:
            self._unseen = await self._repairs.channels(_CHANNELS)
        while self._unseen and not self._is_older:
            channel = self._unseen[0]
            try:
                told = await slack.told(channel, last_look)
            except CallError as problem:
                if problem.outcome.error == MISSING_SCOPE or problem.outcome.verdict in _NOT_TO_BE_SEEN:
                    told = frozenset()
                else:
                    log.info("repair.waits", reason=f"Slack does not answer: {problem}")
                    return False
            self._is_older = await self._repairs.strange(told)
            del self._unseen[0]
        self._is_known = True
        return True

    async def _hold(self) -> bool:
        return await self._repairs.lease(self._holder, self._clock(), _LEASE)

    async def _look(self, last_look: datetime | None, refreshed_at: datetime) -> None:
        """Note what the mirror shows since the last look; at first, or after long, as the baseline."""
        settings = self._settings()
        is_old = last_look is None or refreshed_at - last_look > settings.repair_horizon or self._is_older
        baseline = is_old or not settings.repair
        changed, uid = 0, ""
        while page := await self._repairs.look(last_look, uid, _PAGE):
            seen = [one for sight in page if (one := self._seen(sight, None if baseline else last_look))]
            await self._repairs.keep(seen)
            changed += len(seen)
            uid = page[-1].uid
            if not await self._hold():
                return
        changed += await self._repairs.looked(refreshed_at, settle=baseline)
        if is_old and settings.repair:
            tell = log.warning if self._is_older else log.info
            reason = "Slack holds messages of events that this database does not know: it is an older copy"
            tell(
                "repair.baseline",
                bookings=changed,
                last_look=last_look and last_look.isoformat(),
                reason=reason if self._is_older else None,
            )
        self._is_older = False

    def _seen(self, sight: Sight, last_look: datetime | None) -> Seen | None:
        """What to keep of a booking, None when nothing is new; the baseline, when there is no last look."""
        shows = gist(sight.booking)
        if shows == sight.seen:
            return None
        now, is_new = self._clock(), sight.told is None
        if last_look and matters(shows, is_new=is_new, last_look=last_look, now=now):
            return Seen(sight.uid, contact(sight.booking), shows, sight.read_at, sight.told, pending=True)
        if last_look:
            log.info("repair.left", booking=sight.uid, reason="the booking is over")
        return Seen(sight.uid, contact(sight.booking), shows, sight.read_at, shows, pending=False)

    async def _play(self) -> int:
        """Play what has waited for its webhook long enough, in batches."""
        count = 0
        while due := await self._repairs.due(before := self._clock() - self._patience, _BATCH):
            count += await self._play_batch(due)
            await self._repairs.settle([one.uid for one in due], before)
            if not await self._hold():
                break
        return count

    async def _play_batch(self, due: Sequence[Due]) -> int:
        oldest = self._clock() - self._settings().repair_horizon
        bodies = {one.uid: _body(one) for one in due if one.since > oldest}
        stored = await asyncio.gather(*(self._store(uid, body) for uid, body in bodies.items() if body))
        return sum(stored)

    async def _store(self, uid: str, body: bytes) -> bool:
        envelope = read_envelope(body)
        is_new = await self._accept(envelope, body, VERSION, SOURCE, self._clock())
        if is_new:
            self._observe(envelope.event)
            log.info(
                "repair.found",
                booking=envelope.booking_id,
                uid=uid,
                event_id=envelope.id,
                event_name=envelope.event,
            )
        return is_new


def _body(due: Due) -> bytes | None:
    """The event that tells what was not told; None when it was, or was told later than the mirror knows."""
    told = due.told
    if told is not None and due.since <= min(told.at, told.received_at):
        return None
    name = difference((told and told.gist) or due.known, gist(due.booking))
    if name is None:
        return None
    booking = replace(due.booking, id=told.key) if told else due.booking
    return document(name, booking, due.since, told.at if told else None)
