"""The loop from stored events to waiting deliveries, one turn at a time among all replicas."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from bridge.core.bookings import Booking, Event
from bridge.core.identity import Identities, Identity, Name, Register
from bridge.core.knowledge import Knowledge
from bridge.core.order import position
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.core.repair import is_told
from bridge.core.routing import Match, host_changes, of_present_hosts, route
from bridge.core.rules.destinations import HOST_KEY
from bridge.database import Database, Unavailable
from bridge.store.events import TOPIC, StoredEvent
from bridge.store.routing import KnownState, Received, Routed, RoutingStore, RoutingTransaction

log = structlog.get_logger()

BATCH: Final = 64
_IDLE: Final = 10.0
"""Seconds after which the database is looked at unasked, should a notification be lost."""

_RETRY: Final = 1.0
_BREATH: Final = 0.02
_PATIENCE: Final = 3.0
_SHARE: Final = 3
_KEPT: Final = 1800.0
"""Seconds after which the rules file is kept again: the retention may have erased one long unused."""

_LATE: Final = "a later event of the booking is known already: no card goes back to this one"
_TOLD: Final = "what it says was told already: it was found in the read API, or a webhook was faster"
_EFFECTS: Final = {"", _LATE, _TOLD}
"""The problems of events that were understood."""


class Router:
    """Routes what was received, in the order of each booking's events."""

    def __init__(
        self,
        database: Database,
        knowledge: Callable[[], Knowledge],
        *,
        clock: Callable[[], datetime],
        heard: Callable[[Event], None] = lambda event: None,
        observe: Callable[[Routed], None] = lambda routed: None,
        fail_point: Callable[[str], None] = lambda step: None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._store = RoutingStore(database)
        self._knowledge = knowledge
        self._clock = clock
        self._heard = heard
        self._observe = observe
        self._fail_point = fail_point
        self._busy = busy
        self._kept = ""  # the hash of the rules file that is kept, and until when that is believed
        self._kept_until = 0.0
        self._behind_since: float | None = None
        self._took = 0.0  # seconds that the last batch took

    async def run(self) -> None:
        """Route for ever; a lost database is waited out."""
        while True:
            try:
                await self._give_way()
                begun = time.monotonic()
                routed = await self.route_received()
                self._took = time.monotonic() - begun
                if routed < BATCH:  # what came meanwhile rings
                    self._behind_since = None
                    await self._database.wait(TOPIC, _IDLE)
            except Unavailable as trouble:
                self._database.log_unavailable("router", trouble)
                await asyncio.sleep(_RETRY)

    async def _give_way(self) -> None:
        """In a flood let events be acknowledged first: they are safe, and Copera waits.

        Altogether for `_PATIENCE` seconds; then, until the router has caught up, for `_SHARE` times as
        long as the last batch took.
        """
        now = time.monotonic()
        self._behind_since = self._behind_since or now
        until = max(self._behind_since + _PATIENCE, now + _SHARE * self._took)
        while self._busy() and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(_BREATH)

    async def route_received(self) -> int:
        """Route the next events; how many there were."""
        knowledge = self._knowledge()
        now = self._clock()
        routed = await self._store.locked(lambda turn: self._route_some(turn, knowledge, now))
        if not routed:
            return 0
        if knowledge.rules.hash != self._kept or time.monotonic() > self._kept_until:
            self._kept, self._kept_until = knowledge.rules.hash, time.monotonic() + _KEPT
        self._fail_point("routed")
        self._store.wake()
        for item in routed:
            self._tell(item, now)
        return len(routed)

    def _route_some(self, turn: RoutingTransaction, knowledge: Knowledge, now: datetime) -> list[Routed]:
        routed, learnt = route_batch(turn, turn.received(BATCH), knowledge)
        self._fail_point("routing")
        if routed:
            if knowledge.rules.hash != self._kept or time.monotonic() > self._kept_until:
                turn.keep_rules(knowledge.rules, now)
            turn.write(routed, knowledge.rules.hash, now, learnt)
        return routed

    def _tell(self, item: Routed, now: datetime) -> None:
        tell = log.warning if item.state == "unrecognised" else log.info
        tell(
            "event.routed",
            state=item.state,
            event_id=item.event.id,
            booking=item.event.booking_id,
            called=_other_name(item),
            event_name=item.event.name,
            rules=list(dict.fromkeys(match.rule for match in item.matches)) or None,
            deliveries=len(item.matches),
            problem=item.problem or None,
            milliseconds=round((now - item.event.received_at).total_seconds() * 1000),
        )
        if not item.is_known:
            self._observe(item)
        if item.read and item.state == "routed":
            self._heard(item.read)


def _other_name(item: Routed) -> str | None:
    """What the event calls its booking, when that is not what the bridge does."""
    called = item.read.booking.id if item.read else item.event.booking_id
    return called if called != item.event.booking_id else None


def route_batch(
    turn: RoutingTransaction, received: Sequence[Received], knowledge: Knowledge
) -> tuple[list[Routed], list[Name]]:
    """Decide over events in the order in which they take effect; and the names that were learnt."""
    readings = sorted(map(_Reading, received), key=lambda reading: reading.place)
    readable = [reading.read for reading in readings if isinstance(reading.read, Event)]
    identities = Identities(turn.register(readable) if readable else Register())
    for reading in readings:
        reading.identify(identities)
    booking_ids = {reading.event.booking_id for reading in readings}
    past = _Past(*turn.states(booking_ids), turn.carded(booking_ids))
    routed = [_route_one(reading, past, knowledge) for reading in readings]
    return routed, list(identities.learnt.values())


@dataclass(slots=True)
class _Past:
    """What is known of the batch's bookings, kept up to date from event to event."""

    known: dict[str, KnownState]
    latest: dict[str, str]  # position of the latest event
    carded: dict[str, dict[str, Match]]  # by destination the card there

    def take(self, item: Routed) -> None:
        assert item.read is not None
        booking_id = item.event.booking_id
        if item.state == "routed" and not item.is_late:
            self.known[booking_id] = KnownState(item.position, item.read, item.previous)
            self.latest[booking_id] = item.position
        carded = self.carded.setdefault(booking_id, {})
        for match in item.matches:
            if match.former or match.style == "card":
                carded[match.destination] = match
        for destination in item.refresh:
            carded[destination] = replace(carded[destination], former=False)


class _Reading:
    """An event with its place in the order; `read` is its content, or why it has none."""

    def __init__(self, received: Received) -> None:
        self.event = received.event
        self.previous = received.previous
        self.is_known = received.again and received.event.problem in _EFFECTS
        self.was_told = self.is_known and not received.event.problem
        self.place = ""
        self.read: Event | str
        try:
            read = read_event(self.event.body or b"", self.event.version, self.event.source)
        except (NotAnEvent, Unrecognised) as problem:
            self.read = str(problem)
        except Exception as mistake:  # one event must not stop the others
            self.read = _mistaken(self.event, mistake)
        else:  # one that no version before could read keeps the id that it got then
            self.read = read if read.id == self.event.id else replace(read, id=self.event.id)
            self.place = position(read.at, read.name, self.event.seq)
        self.identity = Identity(self.event.booking_id)

    def identify(self, identities: Identities) -> None:
        """Find out which booking is meant, whatever the event calls it."""
        if isinstance(self.read, Event):
            self.identity = identities.of(self.read)
            self.event = replace(self.event, booking_id=self.identity.key)


def _route_one(reading: _Reading, past: _Past, knowledge: Knowledge) -> Routed:
    if isinstance(reading.read, str):
        return Routed(reading.event, "unrecognised", problem=reading.read)
    try:
        item = _decide(reading, reading.read, past, knowledge)
    except Exception as mistake:  # nor here
        return Routed(reading.event, "unrecognised", problem=_mistaken(reading.event, mistake))
    past.take(item)
    return item


def _mistaken(event: StoredEvent, mistake: Exception) -> str:
    """Log a mistake of ours; what is said of the event."""
    log.error("event.not_routed", event_id=event.id, booking=event.booking_id, exc_info=mistake)
    return f"a mistake in booking-bridge ({type(mistake).__name__}); its log says more"


def _decide(reading: _Reading, read: Event, past: _Past, knowledge: Knowledge) -> Routed:
    booking_id, identity = reading.event.booking_id, reading.identity
    is_late = reading.place < past.latest.get(booking_id, "")
    known = past.known.get(booking_id)
    is_told_already = identity.told or is_told(
        read, known.event if known else None, is_late=is_late, repaired_at=identity.repaired_at
    )
    if is_told_already and not reading.was_told:
        return Routed(reading.event, "superseded", reading.place, read, reading.previous, problem=_TOLD)
    previous = reading.previous if is_late else _previous(read, known)
    decision = route(
        read, knowledge.rules, directory=knowledge.directory, types=knowledge.types, previous=previous
    )
    if is_late:
        return Routed(
            reading.event,
            "routed" if reading.was_told else "superseded",
            reading.place,
            read,
            previous,
            of_present_hosts(decision.matches, known.event.booking if known else None),
            problem="" if reading.was_told else _LATE,
            is_late=True,
            is_known=reading.is_known,
        )
    carded = past.carded.get(booking_id, {})
    changes = host_changes(
        read,
        knowledge.rules,
        directory=knowledge.directory,
        types=knowledge.types,
        previous=previous,
        matches=decision.matches,
        carded=carded,
    )
    matches = (*decision.matches, *changes)
    named = {match.destination for match in matches}
    quiet = (each for each in carded.keys() - named if _is_shown(carded[each], read.booking))
    return Routed(
        reading.event,
        "routed",
        reading.place,
        read,
        previous,
        matches,
        refresh=tuple(sorted(quiet)),
        is_known=reading.is_known,
    )


def _is_shown(card: Match, booking: Booking) -> bool:
    """Whether a card is to show the booking: not when its host lost it, unless they have it again."""
    return not card.former or card.destination.removeprefix(HOST_KEY) in booking.host_ids


def _previous(read: Event, known: KnownState | None) -> Booking | None:
    """The state before this event, None when it is not known."""
    if known is None:
        return None
    return known.previous if known.event.id == read.id else known.event.booking
