"""The loop from stored events to waiting deliveries, one turn at a time among all replicas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from bridge.core.bookings import Booking, Event
from bridge.core.knowledge import Knowledge
from bridge.core.order import position
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.core.routing import Decision, route
from bridge.database import Database, Unavailable
from bridge.store.events import TOPIC, StoredEvent
from bridge.store.routing import KnownState, Routed, RoutingStore, RoutingTurn

log = structlog.get_logger()

BATCH: Final = 32
_IDLE: Final = 1.0
_BREATH: Final = 0.02
_PATIENCE: Final = 1.0
_LONGEST_TRACE: Final = 200
"""Steps of a routing trace that are kept with an event."""


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
        reach: Callable[[str], None] = lambda step: None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._store = RoutingStore(database)
        self._knowledge = knowledge
        self._clock = clock
        self._heard = heard
        self._observe = observe
        self._reach = reach
        self._busy = busy

    async def run(self) -> None:
        """Route for ever; a lost database is waited out."""
        while True:
            try:
                await self._give_way()
                if await self.route_received() == 0:
                    await self._database.wait(TOPIC, _IDLE)
            except Unavailable as trouble:
                log.warning("router.database_unavailable", problem=str(trouble))
                await asyncio.sleep(_IDLE)

    async def _give_way(self) -> None:
        """In a flood let events be acknowledged first, for a while: they are safe, and Copera waits."""
        waited = 0.0
        while self._busy() and waited < _PATIENCE:
            await asyncio.sleep(_BREATH)
            waited += _BREATH

    async def route_received(self) -> int:
        """Route the next events; how many there were."""
        if not await self._store.anything_received():
            return 0
        knowledge = self._knowledge()
        now = self._clock()
        async with self._store.turn() as turn:
            received = await turn.received(BATCH)
            routed = await _route_batch(turn, received, knowledge)
            self._reach("routing")
            if routed:
                await turn.write(routed, knowledge.rules.hash, now)
        self._reach("routed")
        self._store.ring()
        for item in routed:
            self._tell(item, now)
        return len(routed)

    def _tell(self, item: Routed, now: datetime) -> None:
        log.info(
            "event.routed",
            state=item.state,
            event_id=item.event.id,
            booking=item.event.booking_id,
            event_name=item.event.name,
            rules=[match.rule for match in item.matches] or None,
            problem=item.problem or None,
            milliseconds=round((now - item.event.received_at).total_seconds() * 1000),
        )
        self._observe(item)
        if item.read and item.state == "routed":
            self._heard(item.read)


async def _route_batch(
    turn: RoutingTurn, received: Sequence[StoredEvent], knowledge: Knowledge
) -> list[Routed]:
    """Decide over events in the order in which they take effect."""
    if not received:
        return []
    booking_ids = {event.booking_id for event in received}
    known = await turn.known(booking_ids)
    latest = await turn.positions(booking_ids)
    carded = await turn.carded(booking_ids)
    routed: list[Routed] = []
    for event, place, read in sorted(map(_read, received), key=lambda item: item[1]):
        if isinstance(read, str):
            routed.append(Routed(event, "unrecognised", problem=read))
            continue
        item = _decide(event, read, place, known.get(read.booking.id), latest, carded, knowledge)
        routed.append(item)
        if item.state == "routed":
            known[read.booking.id] = KnownState(place, read, item.previous)
            latest[read.booking.id] = place
        carded.setdefault(read.booking.id, set()).update(
            match.destination for match in item.matches if match.style == "card" and not match.former
        )
    return routed


def _read(event: StoredEvent) -> tuple[StoredEvent, str, Event | str]:
    """An event with its place in the order, and its content or why it has none."""
    try:
        read = read_event(event.body or b"", event.version, event.source)
    except (NotAnEvent, Unrecognised) as problem:
        return event, "", str(problem)
    return event, position(read.at, read.name, event.seq), read


def _decide(
    event: StoredEvent,
    read: Event,
    place: str,
    known: KnownState | None,
    latest: Mapping[str, str],
    carded: Mapping[str, set[str]],
    knowledge: Knowledge,
) -> Routed:
    is_late = place < latest.get(read.booking.id, "")
    previous = _previous(read, known, is_late)
    decision = route(
        read, knowledge.rules, directory=knowledge.directory, types=knowledge.types, previous=previous
    )
    named = {match.destination for match in decision.matches}
    quiet = set() if is_late else carded.get(read.booking.id, set()) - named
    return Routed(
        event,
        "superseded" if is_late else "routed",
        place,
        read,
        previous,
        decision.matches,
        tuple(sorted(quiet)),
        _trace(decision),
    )


def _previous(read: Event, known: KnownState | None, is_late: bool) -> Booking | None:
    """The state before this event, None when it is not known."""
    if known is None or is_late:
        return None
    return known.previous if known.event.id == read.id else known.event.booking


def _trace(decision: Decision) -> str:
    steps = [
        {
            "rule": step.rule,
            "matched": step.matched,
            "path": step.path,
            "wanted": step.wanted,
            "got": step.got,
        }
        for step in decision.trace[:_LONGEST_TRACE]
    ]
    return json.dumps(steps, ensure_ascii=False)
