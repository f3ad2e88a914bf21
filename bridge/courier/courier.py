"""The loop from waiting deliveries to settled ones: claims, sends side by side, settles in batches."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from bridge.core.rules.destinations import spoken
from bridge.courier.clock import SharedClock
from bridge.courier.doubts import doubt_backlog
from bridge.courier.sending import Sender
from bridge.courier.watch import Watch, public, tell_shut
from bridge.database import Database, Unavailable
from bridge.slack import TIMEOUT
from bridge.store.deliveries import LEASE, Deliveries, Delivery, Settlement
from bridge.store.gate_policy import TOKEN, Claimant
from bridge.store.routing import TOPIC

log = structlog.get_logger()

PARALLEL: Final = 64
"""Calls to Slack at the same time."""

_ROOM: Final = PARALLEL // 4
"""Claims are taken together, so that a backlog costs few transactions."""

_IDLE: Final = 10.0
"""Seconds after which the database is looked at unasked, should a notification be lost."""

_RETRY: Final = 1.0
_GATHER: Final = 0.05
"""Seconds for which what was sent may wait to be settled with others, when nothing waits for it."""

_BREATH: Final = 0.01
_DRAIN: Final = 10.0
_MARGIN: Final = LEASE.total_seconds() - TIMEOUT
"""Seconds after a claim or its renewal in which a call may begin, so that it ends within the lease."""

Report = Callable[[str, str], Awaitable[None]]
"""Told of what people should know: a kind of trouble, and a line."""


class Courier:
    """Sends what waits, until told to stop."""

    def __init__(
        self,
        database: Database,
        deliveries: Deliveries,
        sender: Sender,
        claimant: Claimant,
        *,
        clock: SharedClock,
        report: Report,
        observe: Callable[[Delivery, str, str], None] = lambda delivery, state, error: None,
    ) -> None:
        self._database = database
        self._deliveries = deliveries
        self._sender = sender
        self._claimant = claimant
        self._clock = clock
        self._report = report
        self._observe = observe
        self._failures: set[tuple[str, str]] = set()
        self._inflight: dict[int, asyncio.Task[None]] = {}
        self._held: dict[int, float] = {}  # monotonic time of the claim or its renewal
        self._places: dict[int, str] = {}  # where what is in flight goes
        self._done: asyncio.Queue[Settlement] = asyncio.Queue()
        self._settled = 0  # batches so far
        self._more = False  # whether what is settled may free the way for something
        self._hurry = asyncio.Event()
        self._stopping = False
        self._watch = Watch(database, deliveries, sender.slack, clock, self)

    async def run(self) -> None:
        """Work until `stop`; what is in flight then is finished."""
        await self._watch.begin()
        await self._doubt()
        async with asyncio.TaskGroup() as tasks:
            settling = tasks.create_task(self._settle())
            watching = tasks.create_task(self._watch.run())
            await self._claim_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN):
                    while self._inflight:
                        await asyncio.wait(self._inflight.values())
                    await self._done.join()
            settling.cancel()
            watching.cancel()

    async def _doubt(self) -> None:
        try:
            self._sender.told = await doubt_backlog(self._database, self._sender.slack)
        except Unavailable as trouble:
            self._database.log_unavailable("courier", trouble)

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self._hurry.set()
        self._database.wake(TOPIC)

    def claims(self) -> Sequence[int]:
        """The claims that are being worked on, by seq."""
        return tuple(self._inflight)

    async def renew(self) -> None:
        """Hold the claims for another lease; one that was taken over goes no further. Raises Unavailable."""
        seqs = self.claims()
        if seqs:
            begun = time.monotonic()
            for seq in await self._deliveries.renew(seqs, self._claimant.owner, self._clock()):
                self._held[seq] = begun

    def _holds(self, seq: int) -> bool:
        return self._database.is_exclusive or time.monotonic() - self._held.get(seq, 0) < _MARGIN

    async def _claim_all(self) -> None:
        while not self._stopping:
            try:
                pause = await self._claim()
            except Unavailable as trouble:
                self._database.log_unavailable("courier", trouble)
                pause = _RETRY
            await self._database.wait(TOPIC, pause)

    async def _claim(self) -> float:
        """Begin to send what may be sent; seconds until there may be more to do, unless it rings."""
        room = PARALLEL - len(self._inflight)
        if room < _ROOM:
            self._more = True
            return _IDLE
        begun, settled = time.monotonic(), self._settled
        busy = Counter(self._places.values())
        claimed = await self._deliveries.claim(self._claimant, room, self._clock(), busy=busy)
        for delivery in claimed.deliveries:
            self._held[delivery.seq] = begun
            self._places[delivery.seq] = delivery.destination
            self._inflight[delivery.seq] = asyncio.create_task(self._send(delivery))
        self._more = claimed.more
        if self._more and self._settled != settled:  # it may have freed the way without knowing for whom
            return _BREATH
        if claimed.due is None:
            return _IDLE
        return min(max((claimed.due - self._clock()).total_seconds(), _BREATH), _IDLE)

    async def _send(self, delivery: Delivery) -> None:
        begun = time.monotonic()
        self._sender.fail_point("claimed")
        settlement = await self._sender.send(delivery, lambda: self._holds(delivery.seq))
        self._sender.fail_point("sent")
        _tell(settlement, time.monotonic() - begun)
        self._done.put_nowait(settlement)
        if self._stopping or delivery.probes or settlement.state not in {"sent", "skipped"}:
            self._hurry.set()  # others must know at once

    async def _settle(self) -> None:
        while True:
            batch = [await self._done.get()]
            if not self._more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GATHER):
                        await self._hurry.wait()
            self._hurry.clear()
            while not self._done.empty():
                batch.append(self._done.get_nowait())
            await self._settle_batch(batch)
            self._settled += 1
            for settlement in batch:
                self._inflight.pop(settlement.delivery.seq, None)
                self._held.pop(settlement.delivery.seq, None)
                self._places.pop(settlement.delivery.seq, None)
                self._done.task_done()
            self._sender.fail_point("settled")
            if self._more or any(settlement.state == "waiting" for settlement in batch):
                self._database.wake(TOPIC)

    async def _settle_batch(self, batch: list[Settlement]) -> None:
        """Write outcomes down, however long the database takes: they must not be sent again."""
        while True:
            try:
                settled = await self._deliveries.settle(
                    batch, self._claimant.owner, self._clock(), leave=self._stopping
                )
                break
            except Unavailable as trouble:
                self._database.log_unavailable("courier", trouble)
                await asyncio.sleep(_RETRY)
        for gate in settled.shut:
            tell_shut(gate)
        if any(gate.key == TOKEN for gate in settled.shut):
            self._watch.alarm()
        for many in settled.given_up:
            log.error("deliveries.given_up", destination=public(many.destination), deliveries=many.count)
            which = f"{spoken(many.destination)}: {many.count} deliveries"
            await self._report("dead deliveries", f"{which}: {many.problem}")
        for lost in settled.lost:
            log.warning("delivery.claim_lost", delivery=lost.delivery.id, booking=lost.delivery.booking_id)
        for settlement in settled.held:
            await self._tell_people(settlement)

    async def _tell_people(self, settlement: Settlement) -> None:
        delivery = settlement.delivery
        self._observe(delivery, settlement.state, settlement.error)
        if settlement.state == "dead":
            await self._report("dead deliveries", f"{spoken(delivery.destination)}: {settlement.problem}")
        failure = (delivery.rules_hash, settlement.warning)
        if settlement.warning and failure not in self._failures:
            self._failures.add(failure)  # once for a template of a rules file, however often it fails
            log.warning(
                "message.failed", delivery=delivery.id, rule=delivery.rule, problem=settlement.warning
            )
            await self._report("messages that fail", settlement.warning)


def _tell(settlement: Settlement, seconds: float) -> None:
    delivery = settlement.delivery
    level = log.error if settlement.state == "dead" else log.info
    level(
        "delivery.settled",
        state=settlement.state,
        event_id=delivery.event_id,
        booking=delivery.booking_id,
        rule=delivery.rule,
        destination=public(delivery.destination),
        delivery=delivery.id,
        error=settlement.error or None,
        milliseconds=round(seconds * 1000),
    )
