"""The loop from waiting deliveries to settled ones: claims, sends side by side, settles in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.core.retry import Outcome, Verdict, problem
from bridge.courier.sending import WEBHOOK, Sender, Sent
from bridge.database import Database, Unavailable
from bridge.slack import CallError
from bridge.store.deliveries import Deliveries, Delivery
from bridge.store.gates import TOKEN, WORKSPACE, Claimant
from bridge.store.routing import TOPIC

log = structlog.get_logger()

PARALLEL: Final = 64
"""Calls to Slack at the same time."""

_HEARTBEAT: Final = 3.0
_IDLE: Final = 1.0
_TOKEN_PAUSE: Final = timedelta(seconds=30)
_DRAIN: Final = 10.0
_CLOCK_JUMP: Final = 2.0
_TROUBLES: Final = {Verdict.TRANSIENT, Verdict.UNKNOWN}

Report = Callable[[str, str], Awaitable[None]]
"""Told of dead deliveries: a kind of trouble, and a line for people."""


class Courier:
    """Sends what waits, until told to stop."""

    def __init__(
        self,
        database: Database,
        deliveries: Deliveries,
        sender: Sender,
        claimant: Claimant,
        *,
        clock: Callable[[], datetime],
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
        self._inflight: dict[int, asyncio.Task[None]] = {}
        self._done: asyncio.Queue[Sent] = asyncio.Queue()
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`; what is in flight then is finished."""
        async with asyncio.TaskGroup() as tasks:
            settling = tasks.create_task(self._settle())
            beating = tasks.create_task(self._beat())
            await self._claim_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN):
                    while self._inflight:
                        await asyncio.wait(self._inflight.values())
                    await self._done.join()
            settling.cancel()
            beating.cancel()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True
        self._database.ring(TOPIC)

    @property
    def in_flight(self) -> int:
        return len(self._inflight)

    async def _claim_all(self) -> None:
        await self._recover(everything=self._database.is_alone)
        while not self._stopping:
            try:
                claimed = await self._claim()
            except Unavailable as trouble:
                log.warning("courier.database_unavailable", problem=str(trouble))
                await self._database.wait(TOPIC, _IDLE)
                continue
            if not claimed:
                await self._database.wait(TOPIC, await self._pause())

    async def _claim(self) -> int:
        room = PARALLEL - len(self._inflight)
        if room <= 0:
            return 0
        claimed = await self._deliveries.claim(self._claimant, room, self._clock())
        for delivery in claimed:
            self._inflight[delivery.seq] = asyncio.create_task(self._send(delivery))
        return len(claimed)

    async def _pause(self) -> float:
        """Seconds until there may be something to do; not more than a second, since others may add."""
        try:
            due = await self._deliveries.next_due(self._clock())
        except Unavailable:
            return _IDLE
        if due is None:
            return _IDLE
        return min(max((due - self._clock()).total_seconds(), 0.01), _IDLE)

    async def _send(self, delivery: Delivery) -> None:
        begun = time.monotonic()
        try:
            self._sender.reach("claimed")
            sent = await self._sender.send(delivery)
        except Exception:
            log.exception("delivery.failed", delivery=delivery.id, booking=delivery.booking_id)
            self._inflight.pop(delivery.seq, None)
            return  # the lease ends and it is tried again, looked up first
        self._sender.reach("sent")
        self._log(sent, time.monotonic() - begun)
        self._done.put_nowait(sent)

    async def _settle(self) -> None:
        while True:
            batch = [await self._done.get()]
            while not self._done.empty():
                batch.append(self._done.get_nowait())
            await self._settle_batch(batch)
            for sent in batch:
                self._inflight.pop(sent.settlement.delivery.seq, None)
                self._done.task_done()
            self._sender.reach("settled")
            self._database.ring(TOPIC)

    async def _settle_batch(self, batch: list[Sent]) -> None:
        """Write outcomes down, however long the database takes: they must not be sent again."""
        while True:
            try:
                await self._keep_gates(batch)
                settlements = [sent.settlement for sent in batch]
                await self._deliveries.settle(settlements, self._claimant.owner, self._clock())
                break
            except Unavailable as trouble:
                log.warning("courier.database_unavailable", problem=str(trouble))
                await asyncio.sleep(_IDLE)
        for sent in batch:
            settlement = sent.settlement
            self._observe(settlement.delivery, settlement.state, settlement.error)
            if settlement.state == "dead":
                line = f"{settlement.delivery.destination}: {settlement.problem}"
                await self._report("dead deliveries", line)

    async def _keep_gates(self, batch: list[Sent]) -> None:
        """Shut gates for troubles that are not the message's own, open those that are over."""
        now, gates = self._clock(), self._deliveries.gates
        opened: set[str] = set()
        troubled: dict[str, Outcome] = {}
        for sent in batch:
            delivery, outcome = sent.settlement.delivery, sent.outcome
            if outcome is None:
                continue
            if outcome.verdict in _TROUBLES:
                troubled[delivery.destination] = outcome
            elif outcome.verdict is Verdict.LIMITED:
                key = delivery.destination if delivery.destination.startswith(WEBHOOK) else WORKSPACE
                until = now + timedelta(seconds=outcome.retry_after or 1)
                await gates.limit(key, until, problem(outcome), now)
                log.warning("slack.rate_limited", gate=_public(key), seconds=outcome.retry_after)
            elif outcome.verdict is Verdict.TOKEN:
                troubled[TOKEN] = outcome
            elif delivery.is_probe:
                opened.add(delivery.destination)
        for key, outcome in troubled.items():
            until = await gates.trouble(key, problem(outcome), now)
            log.warning("gate.shut", gate=_public(key), until=until.isoformat(), reason=problem(outcome))
        if opened - troubled.keys():
            await gates.open(sorted(opened - troubled.keys()))

    async def _beat(self) -> None:
        """Every few seconds: hold claims, free dead holders' claims, ask after the token, watch the clock."""
        drift = self._clock().timestamp() - time.monotonic()
        while True:
            await asyncio.sleep(_HEARTBEAT)
            try:
                if self._inflight:
                    await self._deliveries.renew(list(self._inflight), self._claimant.owner, self._clock())
                if not self._database.is_alone:
                    await self._recover()
                await self._probe_token()
                now_drift = self._clock().timestamp() - time.monotonic()
                if now_drift < drift - _CLOCK_JUMP:
                    log.warning("clock.set_back", seconds=round(drift - now_drift))
                    await self._deliveries.forget_times(self._clock())
                drift = now_drift
            except Unavailable as trouble:
                log.warning("courier.database_unavailable", problem=str(trouble))

    async def _recover(self, *, everything: bool = False) -> None:
        try:
            freed = await self._deliveries.recover(self._clock(), everything=everything)
        except Unavailable as trouble:
            log.warning("courier.database_unavailable", problem=str(trouble))
            return
        if freed:
            log.info("courier.took_over", deliveries=freed)
            self._database.ring(TOPIC)

    async def _probe_token(self) -> None:
        """Ask Slack whether a refused token works again; sending resumes by itself when it does."""
        gate = (await self._deliveries.gates.all()).get(TOKEN)
        if gate is None or not gate.failures:
            return
        if not await self._deliveries.gates.take_probe(TOKEN, self._clock(), _TOKEN_PAUSE):
            return
        with suppress(CallError):
            await self._sender.slack.identity()
            await self._deliveries.gates.open([TOKEN])
            log.info("slack.token_works_again")
            self._database.ring(TOPIC)

    def _log(self, sent: Sent, seconds: float) -> None:
        settlement = sent.settlement
        delivery = settlement.delivery
        level = log.error if settlement.state == "dead" else log.info
        level(
            "delivery.settled",
            state=settlement.state,
            event_id=delivery.event_id,
            booking=delivery.booking_id,
            rule=delivery.rule,
            destination=_public(delivery.destination),
            delivery=delivery.id,
            error=settlement.error or None,
            milliseconds=round(seconds * 1000),
        )


def _public(destination: str) -> str:
    """A destination for the log: an e-mail address is personal data."""
    return "@…" if destination.startswith("@") else destination
