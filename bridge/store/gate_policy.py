"""Who may pass the gates, and what calls mean for them: decisions over rows, no queries.

A gate is shut until `open_at`. One that failed (`failures`) lets a single delivery through when that time
comes: the probe, which finds out for all others whether the trouble is over. The token's gate needs more
to open: Slack must have said that the token works (`trial`) before one delivery tries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bridge.core.pacing import Pace
from bridge.core.retry import Outcome, Verdict, problem, wait

WORKSPACE: Final = "workspace"
EDITS: Final = "edits"
TOKEN: Final = "token"  # noqa: S105 - a row's key
WEBHOOK: Final = "webhook:"
REFRESH: Final = "refresh"
_PROBE: Final = timedelta(seconds=15)
"""How long the others wait for a probe's result."""

_TROUBLES: Final = {Verdict.TRANSIENT, Verdict.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, and the paces of a channel, of the workspace's posts and of its edits."""

    owner: str
    channel: Pace | None
    workspace: Pace | None
    edits: Pace | None


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate's row; `failures` counts troubles in a row, `reason` is in words, "" when there is none."""

    key: str
    open_at: datetime | None = None
    full_at: datetime | None = None
    failures: int = 0
    reason: str = ""
    since: datetime | None = None
    trial: bool = False

    def is_shut(self, now: datetime) -> bool:
        return bool(self.open_at and self.open_at > now) or (self.key == TOKEN and self.waits_for_slack)

    @property
    def waits_for_slack(self) -> bool:
        """Whether this is a refused token's gate that Slack has not been asked about with success."""
        return self.failures > 0 and not self.trial


@dataclass(frozen=True, slots=True)
class Candidate:
    """A delivery that could be sent now; `edits` says that it needs a call of chat.update."""

    destination: str
    style: str
    edits: bool


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a delivery's last call means for gates: `probes` are those that it was let through to test."""

    destination: str
    probes: frozenset[str]
    outcome: Outcome


class GatePolicy:
    """Decides over candidates in their order, and takes in calls' results; `gates` holds the new values."""

    def __init__(self, found: Mapping[str, Gate], now: datetime) -> None:
        self._found = found
        self._now = now
        self.gates = dict(found)

    @property
    def changed(self) -> list[Gate]:
        """The gates whose rows must be written."""
        return [gate for key, gate in self.gates.items() if gate != self._found.get(key)]

    def admit(self, claimant: Claimant, candidate: Candidate) -> frozenset[str] | None:
        """None when it must wait; else what it probes. Its allowances are taken."""
        destination = candidate.destination
        gates = [self._gate(destination)]
        if not destination.startswith(WEBHOOK):
            gates += [self._gate(TOKEN), self._gate(WORKSPACE)]
        if any(gate.is_shut(self._now) for gate in gates):
            return None
        probes = [gate for gate in gates if gate.failures]
        if not self._take_allowances(_paces(claimant, candidate)):
            return None
        for gate in probes:
            self.gates[gate.key] = replace(self._gate(gate.key), open_at=self._now + _PROBE)
        return frozenset(gate.key for gate in probes)

    def _take_allowances(self, paces: Mapping[str, Pace]) -> bool:
        """Take an allowance at every gate, or at none and shut the ones that are exhausted."""
        taken: list[Gate] = []
        for key, pace in paces.items():
            gate = self._gate(key)
            full_at = pace.take(gate.full_at, self._now)
            if full_at is None:
                opens_at = pace.opens_at(gate.full_at or self._now)
                self.gates[key] = replace(_rested(gate, self._now), open_at=opens_at)
                return False
            taken.append(replace(_rested(gate, self._now), full_at=full_at))
        for gate in taken:
            self.gates[gate.key] = gate
        return True

    def record(self, result: CallResult, jitter: float) -> Gate | None:
        """Shut or open gates for an outcome; the gate that was shut for it, None when none was."""
        outcome = result.outcome
        if outcome.verdict is Verdict.LIMITED:
            key = result.destination if result.destination.startswith(WEBHOOK) else WORKSPACE
            if outcome.retry_after is None:
                return self._trouble(key, result.probes, outcome, jitter)
            return self._limit(key, outcome.retry_after, outcome)
        if outcome.verdict in _TROUBLES:
            return self._trouble(result.destination, result.probes, outcome, jitter)
        if outcome.verdict is Verdict.TOKEN:
            return self._trouble(TOKEN, result.probes, outcome, jitter)
        for key in result.probes:
            gate = self._gate(key)
            calm = replace(gate, open_at=None, failures=0, reason="", since=None, trial=False)
            self.gates[key] = calm
        return None

    def _limit(self, key: str, seconds: float, outcome: Outcome) -> Gate:
        """Keep a gate shut as long as Slack asks, which is no failure; never for less than it is already."""
        gate = self._gate(key)
        until = self._now + timedelta(seconds=seconds)
        latest = max(filter(None, (gate.open_at, until)))
        since = gate.since if gate.is_shut(self._now) or gate.failures else None
        shut = replace(
            gate, open_at=latest, failures=0, reason=problem(outcome), since=since or self._now, trial=False
        )
        self.gates[key] = shut
        return shut

    def _trouble(self, key: str, probes: frozenset[str], outcome: Outcome, jitter: float) -> Gate | None:
        """Shut a gate, longer with each probe that failed; others that were on their way say nothing new."""
        gate = self._gate(key)
        if gate.failures and key not in probes:
            return None
        pause = max(wait(gate.failures + 1, jitter), timedelta(seconds=outcome.retry_after or 0))
        shut = replace(
            gate,
            open_at=self._now + pause,
            failures=gate.failures + 1,
            reason=problem(outcome),
            since=gate.since or self._now,
            trial=False,
        )
        self.gates[key] = shut
        return shut

    def _gate(self, key: str) -> Gate:
        return self.gates.get(key, Gate(key))


def _paces(claimant: Claimant, candidate: Candidate) -> dict[str, Pace]:
    """By gate, the paces that a candidate must keep to."""
    paces: dict[str, Pace | None] = {}
    if candidate.style != REFRESH:
        paces[candidate.destination] = claimant.channel
    if not candidate.destination.startswith(WEBHOOK):
        if candidate.style != REFRESH:
            paces[WORKSPACE] = claimant.workspace
        if candidate.edits:
            paces[EDITS] = claimant.edits
    return {key: pace for key, pace in paces.items() if pace is not None}


def _rested(gate: Gate, now: datetime) -> Gate:
    """Without the reason of a pause that is over."""
    over = gate.reason and not gate.failures and not (gate.open_at and gate.open_at > now)
    return replace(gate, reason="", since=None) if over else gate


__all__ = ["EDITS", "REFRESH", "TOKEN", "WEBHOOK", "WORKSPACE", "Candidate", "Claimant", "Gate", "GatePolicy"]
