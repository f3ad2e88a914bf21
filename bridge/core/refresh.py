"""What the mirror makes of bookings it is told about: the decisions, without reading or storing.

A booking that is known and told again is settled against what is known, so that a revision rises
exactly when calendars show something else. A listing is planned as a whole, and one that looks
wrong is not accepted: one bad answer cannot empty a calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from bridge.core.bookings import CANCELLED, DECLINED, PASSED_ON, Booking
from bridge.core.feeds.calendar import View, changed
from bridge.core.feeds.entries import Entry, Mark, Record, is_off
from bridge.core.feeds.tokens import DETAILS
from bridge.core.sightings import Sighting

DAY: Final = timedelta(days=1)
GRACE: Final = timedelta(days=30)
"""How long calendars are told of a cancellation before the booking leaves the feed."""


_SECOND: Final = timedelta(seconds=1)
_PAUSE: Final = timedelta(hours=1)
"""Without a refresh for so long: more likely a restored copy, or a pause, than a trouble that passes."""
_TOO_FEW: Final = 0.5
_FEW: Final = 3


class Trace(NamedTuple):
    """The little a refresh needs of each known booking; `expected` when a listing must hold it."""

    digest: str
    expected: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What a listing told: bookings that are new or differ, and known ones that it does not hold.

    The missing are not gone: a listing may have shifted while it was read, so each must be asked for.
    """

    upserts: tuple[Sighting, ...]
    missing: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Suspicious:
    """A listing that is not accepted, and why."""

    reason: str


class Listing:
    """A listing as it is read, page by page; only what differs from the known is kept whole."""

    def __init__(self, known: Mapping[str, Trace]) -> None:
        self.known = known
        self.seen: set[str] = set()
        self.different: dict[str, Sighting] = {}
        self.nameless = 0
        self.shifted = False

    def add(self, page: Iterable[Sighting]) -> None:
        """Take in the next page. A booking that comes twice shows that the listing shifted meanwhile."""
        for sighting in page:
            if not sighting.uid:
                self.nameless += 1
                continue
            self.shifted |= sighting.uid in self.seen
            self.seen.add(sighting.uid)
            trace = self.known.get(sighting.uid)
            if trace is None or trace.digest != sighting.digest:
                self.different[sighting.uid] = sighting
            else:
                self.different.pop(sighting.uid, None)

    def unlisted(self) -> list[str]:
        """The known bookings that were not listed, whether they had to be or not."""
        return [uid for uid in self.known if uid not in self.seen]

    def take_out(self) -> list[Sighting]:
        """What differs so far, which is not kept any longer."""
        taken = list(self.different.values())
        self.different.clear()
        return taken


def plan_refresh(listing: Listing, *, trusted: bool = False) -> Changes | Suspicious:
    """What to do after a listing was read to its end.

    None listed, or more than half of the known ones missing, is more likely a fault than the truth: a
    token of another workspace, say. Of a handful each can be asked for; so can of many, when an admin says
    that they may be `trusted` to be missing.
    """
    expected = [uid for uid, trace in listing.known.items() if trace.expected]
    missing = [uid for uid in expected if uid not in listing.seen]
    if listing.nameless and not listing.seen:
        return Suspicious(f"{listing.nameless} bookings were listed, none with a uid")
    if trusted:
        return Changes(tuple(listing.different.values()), tuple(missing), len(listing.seen))
    if expected and not listing.seen:
        return Suspicious(f"no bookings were listed, where {len(expected)} are known")
    if len(missing) > max(_FEW, _TOO_FEW * len(expected)):
        return Suspicious(f"{len(missing)} of {len(expected)} known bookings were not listed")
    if listing.shifted:
        missing = []
    return Changes(tuple(listing.different.values()), tuple(missing), len(listing.seen))


def settle(
    known: Record | None,
    booking: Booking,
    uid: str,
    now: datetime,
    names: View,
    refreshed_at: datetime | None = None,
) -> Record:
    """The record after a booking was told in this state; equal to `known` when nothing new was said.

    `names` are those that calendars show at present; what there was at `refreshed_at` is known.
    """
    if not booking.id == booking.uid == uid:
        booking = replace(booking, id=uid, uid=uid)
    if known is None:
        entry = _first(uid, booking, now, now - (refreshed_at or now))
        return Record(entry, dict.fromkeys(booking.host_ids, entry))
    if booking.start is None:  # a calendar needs a time: the last one known is better than none
        old = known.booking
        booking = replace(booking, start=old.start, end=old.end, duration=old.duration)
    team = _told(known.team, booking, now, replace(names, team=True))
    alone = replace(names, team=False)
    own = {}
    for host in booking.host_ids:
        before = known.own.get(host)
        entry = _told(before, booking, now, alone) if before else _late(team, now)
        own[host] = replace(entry, closed_at=team.closed_at, shown=team.shown)
    return Record(team, own | _parted(known, own.keys(), now, alone))


def _first(uid: str, booking: Booking, now: datetime, unseen: timedelta) -> Entry:
    """Of a booking that is not known. SEQUENCE begins with 0, unless it may have been published before.

    That is so in a database restored from a copy: what was made after the copy is not in it, and calendars
    may hold it with a SEQUENCE of its age at most, which is no more than for how long nothing was read.
    """
    mark = Mark(unseen // _SECOND if unseen > _PAUSE else 0, _second(now))
    closed = now if is_off(booking) else None
    return Entry(uid, booking, mark, mark, mark, now, closed, booking.status != DECLINED)


def _late(team: Entry, now: datetime) -> Entry:
    """For a host who joins later: ahead of what their calendar may have held of it long ago."""
    full, title, busy = (_raised(mark, team.first_seen, now) for mark in team.marks)
    return replace(team, full=full, title=title, busy=busy)


def _parted(known: Record, hosts: Set[str], now: datetime, alone: View) -> dict[str, Entry]:
    """The last state that was theirs, called off, for the calendars of those who lost the booking."""
    return {
        host: entry
        if is_off(entry.booking)
        else _told(entry, replace(entry.booking, status=PASSED_ON), now, alone)
        for host, entry in known.own.items()
        if host not in hosts and known.team.shown
    }


def gone(known: Record, now: datetime, names: View) -> Record:
    """The record of a booking that exists no more: cancelled, so that calendars remove it."""
    if is_off(known.booking):
        return known
    return settle(known, replace(known.booking, status=CANCELLED), known.uid, now, names)


def renamed(known: Record, now: datetime, before: View, after: View) -> Record:
    """The record when hosts are called, or types are painted, as `after` has it; the views' audience is moot.

    Equal to `known` when no calendar shows that.
    """

    def shown(entry: Entry, *, team: bool) -> Entry:
        views = replace(before, team=team), replace(after, team=team)
        return _marked(entry, entry.booking, now, *views)

    own = {host: shown(entry, team=False) for host, entry in known.own.items()}
    return Record(shown(known.team, team=True), own)


def _told(known: Entry, booking: Booking, now: datetime, view: View) -> Entry:
    return replace(
        _marked(known, booking, now, view, view),
        booking=booking,
        closed_at=(known.closed_at or now) if is_off(booking) else None,
        shown=known.shown or booking.status != DECLINED,
    )


def _marked(known: Entry, booking: Booking, now: datetime, before: View, after: View) -> Entry:
    """With marks that rise where calendars show something else; the state is not taken over."""
    levels = changed(known.booking, booking, before, after)
    if not levels:
        return known
    full, title, busy = (
        _raised(mark, known.first_seen, now) if detail in levels else mark
        for detail, mark in zip(DETAILS, known.marks, strict=True)
    )
    return replace(known, full=full, title=title, busy=busy)


def window(now: datetime, past_days: int) -> datetime:
    """The earliest start that feeds show: a midnight, so that what ages out does so once a day."""
    return _midnight(now) - past_days * DAY


def leaves_at(entry: Entry, past_days: int) -> datetime | None:
    """When an entry leaves feeds: at a midnight; None when it is in none."""
    start = entry.booking.start
    if start is None or not entry.shown:
        return None
    aged = _midnight(start) + (past_days + 1) * DAY
    return min(aged, _midnight(entry.closed_at + GRACE) + DAY) if entry.closed_at else aged


def _raised(mark: Mark, first_seen: datetime, now: datetime) -> Mark:
    """The next mark. Calendars compare whole seconds, so each revision has a later one.

    SEQUENCE is at least the booking's age in seconds: a database restored from a copy, which knows of fewer
    changes than calendars have seen, is ahead of them with the next one.
    """
    at = max(_second(now), mark.at + _SECOND)
    return Mark(max(mark.sequence + 1, (at - _second(first_seen)) // _SECOND), at)


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
