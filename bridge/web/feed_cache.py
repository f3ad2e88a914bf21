"""The feeds that are asked for, kept ready: built once, then changed by what changed in the mirror.

What is served never waits for a full build twice, and never fails while it is known: without the
database the feeds that are in the cache stay as they were.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final

import structlog

from bridge.core.bookings import BookingType, Directory
from bridge.core.feeds.body import FeedBody, Item, build, edit
from bridge.core.feeds.calendar import View, head
from bridge.core.feeds.entries import Entry
from bridge.core.feeds.feeds import Who, feed_name
from bridge.core.feeds.tokens import FeedTokens, Options
from bridge.core.refresh import window
from bridge.database import Database, Unavailable
from bridge.store.bookings import Bookings, Changed
from bridge.store.feeds import FeedStore
from bridge.store.refreshes import MirrorState, Refreshes
from bridge.web.conditional import Validators

log = structlog.get_logger()

_LOOK: Final = 1.0
"""Seconds between looks at the mirror's revision, when nobody tells of a change."""
_MOST_CHANGES: Final = 2_000
_BUDGET: Final = 96 * 2**20
"""Bytes of feeds kept ready; beyond that those that were not asked for the longest are let go."""
_BUILDS: Final = 2
_INLINE: Final = 50
"""Events that are built on the event loop; more go to a thread."""
_LITTLE: Final = 2**18
"""Bytes that are compressed on the event loop, in a few milliseconds; more go to a thread."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Shown:
    """One address's feed.

    `head` is what its body is to begin with. `waiting` is what changed since it was built, by uid;
    None: it left the feed. `fetched` is when it was fetched last, by client. `validators` are of the
    body, as it was last answered, `zipped` is the body it is of, compressed. `weight` is in bytes.
    """

    key: str
    who: Who
    view: View
    head: bytes
    body: FeedBody | None = None
    waiting: dict[str, Entry | None] = field(default_factory=dict)
    modified: datetime = _EPOCH
    validators: Validators | None = None
    fetched: dict[str, datetime] = field(default_factory=dict)
    zipped: tuple[FeedBody, bytes] | None = None
    weight: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def learn(self, changed: Changed) -> None:
        """Note what of these changes is shown here."""
        kind, identity = self.who.kind, self.who.id
        if kind == "host":
            self.waiting |= {uid: entry for (host, uid), entry in changed.own.items() if host == identity}
            return
        for entry in changed.entries:
            belongs = kind == "all" or entry.booking.type_id == identity
            self.waiting[entry.uid] = entry if belongs else None


def feed_key(who: Who, options: Options) -> str:
    """What tells the feed of one address from others."""
    return f"{options.detail} {options.alarm} {who.kind} {who.id}"


class FeedCache:
    """The feeds kept ready, and whose addresses there are: `registry` is by the handle in the token."""

    def __init__(
        self,
        database: Database,
        tokens: FeedTokens,
        *,
        clock: Callable[[], datetime],
        past_days: int,
        budget: int = _BUDGET,
    ) -> None:
        self._database = database
        self._bookings = Bookings(database)
        self._feeds = FeedStore(database)
        self._refreshes = Refreshes(database)
        self._tokens = tokens
        self._clock = clock
        self._past_days = past_days
        self._budget = budget
        self._kept: OrderedDict[str, Shown] = OrderedDict()
        self._weight = 0
        self._builds = asyncio.Semaphore(_BUILDS)
        self._looking = asyncio.Lock()
        self._next_look = 0.0
        self._looked = monotonic()
        self.state: MirrorState | None = None
        self.registry: Mapping[str, tuple[Who, int]] = {}
        self.people = Directory()
        self.types: Mapping[str, BookingType] = {}

    def invalidate(self) -> None:
        """Look at the mirror again before the next answer."""
        self._next_look = 0.0

    async def look(self) -> None:
        """Take in what changed; once a second at most. Raises Unavailable when nothing was ever read."""
        if self._is_fresh():
            return
        async with self._looking:
            if self._is_fresh():
                return
            began = monotonic()
            self._next_look = began + _LOOK
            try:
                await self._take_in(await self._refreshes.state())
                self._looked = began
            except Unavailable as problem:
                self._database.log_unavailable("feeds", problem)
                if self.state is None:
                    raise

    def _is_fresh(self) -> bool:
        return self.state is not None and monotonic() < self._next_look

    async def _take_in(self, state: MirrorState) -> None:
        old = self.state
        if old is None or old.feeds_revision != state.feeds_revision:
            generations = await self._feeds.generations()
            self.registry = {
                self._tokens.handle(who.key): (who, number) for who, number in generations.items()
            }
        if old is None or old.names_at != state.names_at:
            self.people = Directory(await self._refreshes.people())
            self.types = {kind.id: kind for kind in await self._refreshes.types()}
            for shown in self._kept.values():
                self._rename(shown, state)
        if old is not None and old.revision != state.revision and self._kept:
            changed = await self._bookings.changes(old.revision, _MOST_CHANGES)
            if changed is None:
                self.clear()
            else:
                for shown in self._kept.values():
                    shown.learn(changed)
        self.state = state

    @property
    def seen(self) -> timedelta:
        """How long ago the mirror was looked at: what changed since is not shown yet."""
        return timedelta(seconds=monotonic() - self._looked)

    @property
    def refreshed_at(self) -> datetime | None:
        """When a refresh of the mirror was last accepted; None before the first."""
        return self.state.refreshed_at if self.state else None

    def name(self, who: Who) -> str:
        """What calendars call a feed."""
        return feed_name(who, self.people, self.types)

    async def get(self, who: Who, options: Options, now: datetime) -> Shown:
        """The feed as it is to be served now. Raises Unavailable when it must be built and cannot be."""
        key = feed_key(who, options)
        shown = self._kept.get(key)
        if shown is None:
            shown = self._kept[key] = Shown(key, who, self.view(who, options), self._head(who))
        self._kept.move_to_end(key)
        if not _is_ready(shown, now):
            await asyncio.shield(asyncio.ensure_future(self._renew(shown)))
        return shown

    async def zipped(self, shown: Shown, body: FeedBody) -> bytes:
        """This body compressed; what did not change since the last time is not compressed again."""
        async with shown.lock:
            if shown.zipped is not None and shown.zipped[0] is body:
                return shown.zipped[1]
            little = body.unzipped <= _LITTLE
            data = body.compressed() if little else await asyncio.to_thread(body.compressed)
            if shown.body is body:
                shown.zipped = body, data
                self._weigh(shown)
            return data

    def clear(self) -> None:
        """Build every feed anew when it is asked for."""
        self._kept.clear()
        self._weight = 0

    async def _renew(self, shown: Shown) -> None:
        async with shown.lock:
            now = self._clock()
            before = shown.body
            body = before.without_old(now) if before is not None else await self._first(shown)
            if shown.waiting:
                body = await self._with_changes(shown, body, now)
            if body.head != shown.head:  # it was renamed meanwhile
                body = body.with_head(shown.head)
            shown.modified = _modified(body, self.state)
            if before is None or before.etag != body.etag:
                shown.body, shown.zipped = body, None
            self._weigh(shown)

    async def _first(self, shown: Shown) -> FeedBody:
        try:
            return await self._build(shown)
        except BaseException:
            self._let_go(shown)
            raise

    async def _with_changes(self, shown: Shown, body: FeedBody, now: datetime) -> FeedBody:
        waiting, shown.waiting = shown.waiting, {}
        work = partial(_changed, body, waiting, shown.view, self._past_days, now)
        try:
            return work() if len(waiting) <= _INLINE else await asyncio.to_thread(work)
        except BaseException:
            shown.waiting = waiting | shown.waiting
            raise

    async def _build(self, shown: Shown) -> FeedBody:
        async with self._builds:
            now = self._clock()
            found: list[Item] = []
            async for entries in self._bookings.of(shown.who, window(now, self._past_days)):
                work = partial(_edits, entries, shown.view, self._past_days, now)
                found += work() if len(entries) <= _INLINE else await asyncio.to_thread(work)
            latest = {one[0].uid: one for one in found}  # a booking comes after its farewell
            return build(shown.head, latest.values())

    def _rename(self, shown: Shown, state: MirrorState) -> None:
        shown.view = self.view(shown.who, shown.view.options)
        shown.head = self._head(shown.who)
        if shown.body is None:
            return
        if shown.body.head != shown.head:
            shown.body, shown.zipped = shown.body.with_head(shown.head), None
        shown.modified = _modified(shown.body, state)

    def view(self, who: Who, options: Options) -> View:
        """How a feed shows bookings."""
        return View(options, who.is_team, self.people, self.types)

    def _head(self, who: Who) -> bytes:
        kind = self.types.get(who.id) if who.kind == "type" else None
        return head(self.name(who), kind.color if kind else "")

    def _weigh(self, shown: Shown) -> None:
        """Count what a feed holds now, and make room: what was not asked for the longest is let go."""
        if self._kept.get(shown.key) is not shown or shown.body is None:
            return
        weight = shown.body.held + (len(shown.zipped[1]) if shown.zipped else 0)
        self._weight += weight - shown.weight
        shown.weight = weight
        while self._weight > self._budget and len(self._kept) > 1:
            self._let_go(next(iter(self._kept.values())))

    def _let_go(self, shown: Shown) -> None:
        if self._kept.get(shown.key) is shown:
            del self._kept[shown.key]
            self._weight -= shown.weight


def _is_ready(shown: Shown, now: datetime) -> bool:
    body = shown.body
    if body is None or shown.waiting:
        return False
    return body.next_leave is None or now < body.next_leave


def _edits(entries: list[Entry], view: View, past_days: int, now: datetime) -> list[Item]:
    return [found for entry in entries if (found := edit(entry, view, past_days, now)) is not None]


def _changed(
    body: FeedBody, waiting: Mapping[str, Entry | None], view: View, past_days: int, now: datetime
) -> FeedBody:
    return body.with_edits(
        {uid: edit(entry, view, past_days, now) if entry else None for uid, entry in waiting.items()}
    )


def _modified(body: FeedBody, state: MirrorState | None) -> datetime:
    """When what the feed shows last changed: every replica and every later process says the same."""
    names_at = (state.names_at if state else None) or _EPOCH
    return max(body.changed_at or _EPOCH, names_at)
