"""The heartbeat: hold claims, take over dead holders' claims, ask after the token, watch the clock."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

import structlog

from bridge.core.retry import MISSING_SCOPE, Outcome, Verdict
from bridge.core.slack_values import Identity
from bridge.courier.clock import SharedClock
from bridge.database import Database, Unavailable
from bridge.slack import CallError, Slack
from bridge.store.deliveries import Deliveries
from bridge.store.gates import TOKEN, Gate
from bridge.store.routing import TOPIC

log = structlog.get_logger()

_HEARTBEAT: Final = 2.0
_RARELY: Final = 5
"""Beats between looks at what seldom changes."""

_QUESTION: Final = timedelta(seconds=30)
"""How long the other replicas leave it to one to ask after the token."""

_CLOCK_JUMP: Final = timedelta(seconds=2)
_LONGEST_WAIT: Final = timedelta(hours=2)
"""Longer than any delivery is made to wait: a time further ahead was written by another clock."""

_POSTING: Final = "chat:write"


class Holder(Protocol):
    """Whose claims are watched."""

    def claims(self) -> Sequence[int]: ...

    async def renew(self) -> None: ...


class Watch:
    """The courier's heartbeat."""

    def __init__(
        self, database: Database, deliveries: Deliveries, slack: Slack, clock: SharedClock, holder: Holder
    ) -> None:
        self._database = database
        self._deliveries = deliveries
        self._slack = slack
        self._clock = clock
        self._holder = holder
        self._drift = self._now_drift()
        self._alarmed = True  # whether the token may be refused, as far as this process knows
        self._beats = 0

    def alarm(self) -> None:
        """The token was refused."""
        self._alarmed = True

    async def begin(self) -> None:
        """Free what the process before this one held; a lost database is left to `run`."""
        try:
            await self._clock.set()
            self._drift = self._now_drift()
            await self._deliveries.mend_times(self._clock(), beyond=_LONGEST_WAIT)
            await self._take_over()
        except Unavailable as trouble:
            self._database.log_unavailable("courier", trouble)

    async def run(self) -> None:
        """Beat for ever; a lost database is waited out."""
        introduction = asyncio.create_task(self._introduce())  # which may take Slack a while
        try:
            while True:
                await asyncio.sleep(_HEARTBEAT)
                try:
                    await self._beat()
                except Unavailable as trouble:
                    self._database.log_unavailable("courier", trouble)
        finally:
            introduction.cancel()

    async def _introduce(self) -> None:
        """Ask Slack once whose token it is: a wrong one is then known before the first booking comes.

        The way to Slack is open by then, too. Slack's being away says nothing about the token.
        """
        if not self._slack.has_token:
            return
        try:
            identity = await self._slack.identity()
            outcome = Outcome(Verdict.SENT if _can_post(identity) else Verdict.TOKEN, MISSING_SCOPE)
        except CallError as problem:
            outcome = problem.outcome
        if outcome.verdict is not Verdict.TOKEN:
            return
        try:
            jitter = random.random()  # noqa: S311 - spreads retries
            for gate in await self._deliveries.gates.refuse_token(outcome, self._clock(), jitter):
                tell_shut(gate)
        except Unavailable as trouble:
            self._database.log_unavailable("courier", trouble)
        self.alarm()

    async def _beat(self) -> None:
        """Alone on its database, a process need not look for what others may have done."""
        self._beats += 1
        is_due = self._beats % _RARELY == 0
        if is_due:
            await self._clock.set()
        await self._watch_clock()
        if not self._database.is_exclusive:
            await self._holder.renew()
            await self._database.end_stale_locks()
        if is_due or not self._database.is_exclusive:
            await self._take_over()
        if is_due or self._alarmed:
            await self._ask_after_token()

    async def _take_over(self) -> None:
        freed = await self._deliveries.recover(
            self._clock(), working_on=self._holder.claims, exclusive=self._database.is_exclusive
        )
        if freed:
            log.info("courier.took_over", deliveries=freed)
            self._database.wake(TOPIC)

    async def _ask_after_token(self) -> None:
        """Ask Slack whether a refused token works again; then one delivery tries, for all others."""
        gate = await self._deliveries.gates.token()
        self._alarmed = gate.failures > 0
        if not gate.waits_for_slack or not await self._deliveries.gates.claim_token_check(
            self._clock(), _QUESTION
        ):
            return
        try:
            identity = await self._slack.identity()
        except CallError as problem:
            log.info("slack.token_refused", error=problem.outcome.error)
            return
        if not _can_post(identity):
            log.info("slack.token_refused", error="missing_scope", needed=_POSTING)
            return
        await self._deliveries.gates.retry_token(self._clock())
        log.info("slack.token_answers")
        self._database.wake(TOPIC)

    async def _watch_clock(self) -> None:
        """After the clock was set back, times that were stored before would mean too long a wait."""
        drift = self._now_drift()
        if abs(drift - self._drift) > _CLOCK_JUMP:
            await self._clock.set()
            drift = self._now_drift()
        back = self._drift - drift
        if back > _CLOCK_JUMP:
            log.warning("clock.set_back", seconds=round(back.total_seconds()))
            now = self._clock()
            await self._deliveries.gates.shift(back, now)
            await self._deliveries.mend_times(now)
            self._database.wake(TOPIC)
        self._drift = drift

    def _now_drift(self) -> timedelta:
        return timedelta(seconds=self._clock().timestamp() - time.monotonic())


def tell_shut(gate: Gate) -> None:
    """Log why nothing goes through a gate, and until when."""
    until = gate.open_at.isoformat() if gate.open_at else None
    tell = log.error if gate.key == TOKEN else log.warning  # nothing at all is posted until it is mended
    tell("gate.shut", gate=public(gate.key), until=until, failures=gate.failures, reason=gate.reason)


def public(destination: str) -> str:
    """A destination for the log: an e-mail address is personal data."""
    return "@…" if destination.startswith("@") else destination


def _can_post(identity: Identity) -> bool:
    """Whether the scopes, when Slack tells them, allow posting."""
    return not identity.scopes or any(scope.startswith(_POSTING) for scope in identity.scopes)
