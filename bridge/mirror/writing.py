"""Writing what Copera told into the store: settled against what is known, never with an older state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from bridge.core.bookings import Booking
from bridge.core.feeds.calendar import View
from bridge.core.feeds.entries import Record
from bridge.core.feeds.feeds import ALL, Who
from bridge.core.refresh import gone, settle
from bridge.core.sightings import Sighting, seen
from bridge.store.bookings import Bookings, Decide, Saving
from bridge.store.feeds import FeedStore
from bridge.store.records import Kept

_BATCH: Final = 100
"""Bookings in one transaction: the receiver of webhooks waits for the same writer."""


class MirrorWriter:
    """Stores bookings and makes sure that whoever hosts them has a feed."""

    def __init__(
        self,
        bookings: Bookings,
        feeds: FeedStore,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self._bookings = bookings
        self._feeds = feeds
        self._clock = clock
        self._changed = changed
        self._registered: set[Who] = set()

    async def store(self, sightings: Iterable[Sighting], at_once: int = _BATCH) -> int:
        """Store what the read API told; how many bookings calendars will show differently."""
        waiting = list(sightings)
        count = 0
        for first in range(0, len(waiting), at_once):
            told = {one.uid: (one, seen(one)) for one in waiting[first : first + at_once]}
            count += await self._change(list(told), partial(self._settled, told))
        return count

    async def store_hint(self, uid: str, booking: Booking, at: datetime) -> int:
        """Store what a webhook said at `at` of a booking that is known, until the read API is asked."""

        def decide(known: Mapping[str, Kept], names: View, _: datetime | None) -> Iterator[Saving]:
            kept = known.get(uid)
            if kept is not None and kept.read_at < at:
                record = settle(kept.record, booking, uid, self._clock(), names)
                yield _saving(kept, Kept(record, "", at), self._clock())

        return await self._change([uid], decide)

    async def remove(self, uid: str, asked_at: datetime) -> int:
        """Cancel a booking that the read API no longer has."""

        def decide(known: Mapping[str, Kept], names: View, _: datetime | None) -> Iterator[Saving]:
            kept = known.get(uid)
            if kept is not None and kept.read_at < asked_at:
                record = gone(kept.record, self._clock(), names)
                yield _saving(kept, Kept(record, "", asked_at), self._clock())

        return await self._change([uid], decide)

    def _settled(
        self,
        told: Mapping[str, tuple[Sighting, Booking]],
        known: Mapping[str, Kept],
        names: View,
        refreshed_at: datetime | None,
    ) -> Iterator[Saving]:
        now = self._clock()
        for uid, (sighting, booking) in told.items():
            kept = known.get(uid)
            if kept is not None and kept.read_at > sighting.read_at:
                continue
            record = settle(kept.record if kept else None, booking, uid, now, names, refreshed_at)
            yield _saving(kept, Kept(record, sighting.digest, sighting.read_at), now)

    async def _change(self, uids: Sequence[str], decide: Decide) -> int:
        savings = await self._bookings.change(uids, decide)
        visible = [saving for saving in savings if saving.visible]
        if visible:
            await self._register(visible)
            self._changed()
        return len(visible)

    async def _register(self, savings: Iterable[Saving]) -> None:
        wanted = {ALL}
        for saving in savings:
            booking = saving.kept.record.booking
            wanted |= {Who("host", host) for host in booking.host_ids}
            wanted |= {Who("type", booking.type_id)} if booking.type_id else set()
        if new := wanted - self._registered:
            await self._feeds.register(new, self._clock())
            self._registered |= new


def _saving(old: Kept | None, new: Kept, now: datetime) -> Saving:
    if old is None:
        return Saving(new)
    before, after = old.record, new.record
    moved = before.booking.type_id != after.booking.type_id
    return Saving(new, _visible(before) != _visible(after), now if moved else None)


def _visible(record: Record) -> tuple[object, ...]:
    """What feeds go by."""
    team = record.team
    own = {host: (entry.marks, entry.closed_at) for host, entry in record.own.items()}
    return team.marks, team.shown, team.closed_at, team.booking.type_id, own
