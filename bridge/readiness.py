"""The state of every part, for /readyz and /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from bridge.database import Database, Unavailable
from bridge.metrics import Metrics
from bridge.rulebook import Rulebook
from bridge.store.deliveries import Deliveries
from bridge.store.figures import Figures, Queue
from bridge.store.gates import TOKEN, WORKSPACE
from bridge.store.refreshes import MirrorState, Refreshes
from bridge.web.health import Part, Parts

T = TypeVar("T")

_PATIENCE: Final = 3.0
"""Seconds that the database has to answer: who asks gives up before long."""

_OLD: Final = timedelta(minutes=5)
_LATE: Final = 3
"""Intervals after which a refresh of the mirror is overdue."""
_STORED: Final = ("slack", "queue", "copera", "mirror")
"""Parts whose state is in the database."""


class Readiness:
    """Looks at the parts when asked. `refusal`: why events cannot be stored, "" when they can."""

    def __init__(
        self,
        database: Database,
        figures: Figures,
        rulebook: Rulebook,
        deliveries: Deliveries,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        refusal: Callable[[], str] = lambda: "",
        mirror: Refreshes | None = None,
        interval: timedelta = _OLD,
    ) -> None:
        self._database = database
        self._figures = figures
        self._rulebook = rulebook
        self._deliveries = deliveries
        self._metrics = metrics
        self._clock = clock
        self._refusal = refusal
        self._mirror = mirror
        self._interval = interval
        self._begun = clock()
        self._down_since: datetime | None = None
        self._seen: dict[str, tuple[str, str]] = {}
        self._asking: dict[str, asyncio.Task[Any]] = {}

    async def parts(self) -> Parts:
        """Each part by name."""
        return {name: self._dated(name, part) for name, part in (await self._parts()).items()}

    def _dated(self, name: str, part: Part) -> Part:
        """With the time since when it was seen in this state, where nothing better is known."""
        if name not in self._seen or self._seen[name][0] != part.state:
            self._seen[name] = part.state, _text(self._clock())
        return part if part.since else replace(part, since=self._seen[name][1])

    async def _parts(self) -> Parts:
        try:
            stored = await self._in_time("parts", self._look)
        except Unavailable as problem:
            down = self._down(f"{problem}; events are refused with 503 until it is back")
            unknown = Part("unknown", "it cannot be told without the database")
            return {"database": down, "rules": self._rules(), **dict.fromkeys(_STORED, unknown)}
        return {"database": self._storing(), "rules": self._rules(), **stored}

    async def _look(self) -> dict[str, Part]:
        """The parts whose state is in the database."""
        return {"slack": await self._slack(), "queue": await self._queue(), **await self._copera()}

    async def _in_time(self, name: str, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What this look at the database sees, if that is soon. Raises Unavailable.

        One at a time: a database that hangs is not asked more and more.
        """
        task: asyncio.Task[T] | None = self._asking.get(name)
        if task is None or task.done():
            task = self._asking[name] = asyncio.create_task(look())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be there
        await asyncio.wait([task], timeout=_PATIENCE)
        if not task.done():
            raise Unavailable("no answer in time")
        return task.result()

    def _storing(self) -> Part:
        """What can be read cannot always be written: the disk may be full."""
        if reason := self._refusal():
            return self._down(f"{reason}; events are refused with 503 until it can store them")
        self._down_since = None
        return Part("ok")

    def _down(self, why: str) -> Part:
        self._down_since = self._down_since or self._clock()
        return Part("down", why, _text(self._down_since))

    def _rules(self) -> Part:
        since = self._rulebook.changed_at.isoformat()
        problems = self._rulebook.problems
        if not problems:
            return Part("ok", since=since)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return Part("degraded", f"the older rules are in force: {problems[0]}{more}", since)

    async def _slack(self) -> Part:
        gates = await self._deliveries.gates.all()
        token = gates.get(TOKEN)
        if token and token.failures:
            return Part("down", f"sending is paused, the queue is kept: {token.reason}", _text(token.since))
        now = self._clock()
        workspace = gates.get(WORKSPACE)
        if workspace and workspace.reason and workspace.open_at and workspace.open_at > now:
            why = f"waiting until {workspace.open_at.isoformat()}: {workspace.reason}"
            return Part("degraded", why, _text(workspace.since))
        failing = [gate for gate in gates.values() if gate.failures]
        if failing:
            since = min((gate.since for gate in failing if gate.since), default=None)
            many = len(failing) > 1
            which = f"{len(failing)} destinations fail" if many else "one destination fails"
            why = f"{which} for now: {failing[0].reason}"
            return Part("degraded", why, _text(since))
        return Part("ok")

    async def _queue(self) -> Part:
        queue = await self._figures.queue()
        received = f"{queue.received} to be routed, " if queue.received else ""
        said = f"{received}{queue.waiting} waiting, {queue.sending} sending, {queue.dead} dead"
        is_old = queue.oldest is not None and self._clock() - queue.oldest > _OLD
        return Part("degraded" if is_old else "ok", said, _text(queue.oldest))

    async def _copera(self) -> dict[str, Part]:
        """Copera's read API, and the mirror of its bookings."""
        if self._mirror is None:
            off = Part("off", "COPERA_API_TOKEN is not set: no feeds, no repairs, ids for names")
            return {"copera": off, "mirror": off}
        state, now = await self._mirror.state(), self._clock()
        copera = Part("degraded", state.problem, _text(state.problem_at)) if state.problem else Part("ok")
        if state.refreshed_at is None:
            never = Part("degraded", "the bookings were never read in full", self._begun.isoformat())
            return {"copera": copera, "mirror": never}
        age = now - state.refreshed_at
        said = f"{state.size} bookings, read in full {age.total_seconds():.0f} s ago"
        word = "degraded" if age > overdue(self._interval) else "ok"
        return {"copera": copera, "mirror": Part(word, said, state.refreshed_at.isoformat())}

    async def _measure(self) -> tuple[Queue, MirrorState | None]:
        return await self._figures.queue(), await self._mirror.state() if self._mirror else None

    async def metrics(self) -> bytes:
        """The text for Prometheus, with the gauges brought up to date."""
        try:
            queue, mirror = await self._in_time("figures", self._measure)
        except Unavailable:
            return self._metrics.text()
        if mirror:
            read_at = mirror.refreshed_at or self._begun
            self._metrics.mirror_age.set((self._clock() - read_at).total_seconds())
            self._metrics.mirror_size.set(mirror.size)
        self._metrics.queue.labels("waiting").set(queue.waiting)
        self._metrics.queue.labels("sending").set(queue.sending)
        self._metrics.queue.labels("dead").set(queue.dead)
        age = (self._clock() - queue.oldest).total_seconds() if queue.oldest else 0
        self._metrics.oldest.set(age)
        self._metrics.rules_valid.set(0 if self._rulebook.problems else 1)
        self._metrics.rules_loaded.set(self._rulebook.loaded_at.timestamp())
        return self._metrics.text()


def overdue(interval: timedelta) -> timedelta:
    """The age from which on the mirror, refreshed at this interval, is no longer taken for up to date."""
    return max(_LATE * interval, _OLD)


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
