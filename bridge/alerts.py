"""The bridge's own trouble, told in the channel that the rules name: at most one message a minute.

All replicas share that minute. What concerns them all alike, such as a bad rules file, one tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.core.messages.messages import render_alert
from bridge.core.retry import Outcome, Verdict
from bridge.core.rules.destinations import spoken
from bridge.core.slack_values import Purpose
from bridge.database import Unavailable
from bridge.log_throttle import LogThrottle
from bridge.pacer import Pacer
from bridge.slack import Slack
from bridge.store.facts import Facts
from bridge.store.gate_policy import Candidate, Claimant
from bridge.store.gates import Gates
from bridge.store.history import History

log = structlog.get_logger()

EVERY: Final = timedelta(minutes=1)
SHARED: Final = "rules"
"""The kind of trouble that every replica has when one has it."""

DEAD: Final = "dead deliveries"
"""The kind of trouble that the database remembers: what a process could not tell, the next one does."""

HINTS: Final = {
    DEAD: "booking-bridge deliveries list --state dead shows all;"
    " when that is mended, booking-bridge deliveries retry --all sends them."
}
"""By kind, what is to be done about it."""

_LOOK: Final = 1.0
_MOST_LINES: Final = 10
_MOST_KEPT: Final = 1_000
_WEBHOOK: Final = "webhook:"
_WAIT: Final = {Verdict.LIMITED, Verdict.TRANSIENT, Verdict.TOKEN}
"""Not sent, and worth another try in a minute."""


class Alerts:
    """Collects lines and posts them together."""

    def __init__(
        self,
        slack: Slack,
        channel: Callable[[], str | None],
        *,
        facts: Facts,
        gates: Gates,
        history: History,
        claimant: Claimant,
        pacer: Pacer,
        clock: Callable[[], datetime],
    ) -> None:
        self._slack = slack
        self._channel = channel
        self._facts = facts
        self._gates = gates
        self._history = history
        self._claimant = claimant
        self._pacer = pacer
        self._clock = clock
        self._begun = clock()
        self._lines: dict[str, Counter[str]] = {}
        self._arrived = asyncio.Event()
        self._away = LogThrottle()

    async def report(self, kind: str, line: str) -> None:
        """Have a line told under the heading of its kind; never waits for Slack."""
        if self._channel() is not None:
            self._keep(kind, line, 1)

    async def run(self) -> None:
        """Post what was reported, for ever; what could not be posted is tried again."""
        recalled = started = False
        while True:
            if recalled:
                await self._arrived.wait()
            try:
                if not recalled:
                    await self._recall()
                    recalled = True
                if SHARED in self._lines and not started:
                    await self._facts.clear(_said(SHARED))
                    started = True
                await self._post_all()
            except Unavailable as trouble:
                self._tell_waiting(str(trouble))
            await asyncio.sleep(_LOOK)

    async def _recall(self) -> None:
        """Report what was given up after the last alert about such: whoever knew of it has ended."""
        told_at = await self._facts.last(_said(DEAD))
        for one in await self._history.deliveries(state="dead", limit=_MOST_KEPT):
            if one.done_at and (told_at or one.done_at) <= one.done_at <= self._begun:
                await self.report(DEAD, f"{spoken(one.destination)}: {one.problem}")

    def _tell_waiting(self, problem: str) -> None:
        self._away.add(lambda times: log.warning("alert.waits", problem=problem, times=times))

    async def _post_all(self) -> None:
        channel, now = self._channel(), self._clock()
        if channel is None:
            return self._clear()
        if not self._lines:
            return self._clear()
        if not await self._facts.take("alerts", now, EVERY):
            return None
        if not await self._gates.admit_one(self._claimant, Candidate(channel, "post", edits=False), now):
            return None
        if SHARED in self._lines and not await self._facts.change(_said(SHARED), self._shared_text(), now):
            del self._lines[SHARED]  # another replica told it
        if not self._lines:
            return self._clear()
        return await self._post(channel, now)

    def _shared_text(self) -> str:
        return "\n".join(self._lines[SHARED])

    async def _post(self, channel: str, now: datetime) -> None:
        told, self._lines = self._lines, {}
        self._arrived.clear()
        title = f"booking-bridge: {', '.join(told)}"
        said = [line for lines in told.values() for line in _listed(lines)]
        message = render_alert(title, [*said, *(HINTS[kind] for kind in told if kind in HINTS)])
        async with self._pacer.turn(channel):
            if channel.startswith(_WEBHOOK):
                outcome = await self._slack.post_webhook(channel.removeprefix(_WEBHOOK), message)
            else:
                outcome = await self._slack.post(channel, message, Purpose("alert", "post"))
        if outcome.verdict is not Verdict.SENT:
            self._not_sent(told, outcome)
            if SHARED in told:
                await self._facts.clear(_said(SHARED))
        elif DEAD in told:
            await self._facts.change(_said(DEAD), now.isoformat(), now)

    def _not_sent(self, told: dict[str, Counter[str]], outcome: Outcome) -> None:
        log.warning("alert.not_sent", kinds=list(told), error=outcome.error)
        if outcome.verdict in _WAIT:
            for kind, lines in told.items():
                for line, times in lines.items():
                    self._keep(kind, line, times)

    def _keep(self, kind: str, line: str, times: int) -> None:
        lines = self._lines.setdefault(kind, Counter())
        if line in lines or len(lines) < _MOST_KEPT:
            lines[line] += times
        self._arrived.set()

    def _clear(self) -> None:
        self._lines = {}
        self._arrived.clear()


def _listed(lines: Counter[str]) -> list[str]:
    """The lines that came most often, each once, and how many more there are."""
    said = [
        f"{line} ({times} times)" if times > 1 else line for line, times in lines.most_common(_MOST_LINES)
    ]
    if len(lines) > _MOST_LINES:
        said.append(f"and {len(lines) - _MOST_LINES} more")
    return said


def _said(kind: str) -> str:
    return f"alert: {kind}"
