"""Slack's rate limits, counted the way Slack counts them.

Source: docs.slack.dev "Rate limits": one message a second and channel with short bursts, a cap on
the workspace's messages a minute, tiers a minute for other methods; a 429 shuts that one method for
the whole workspace until `Retry-After` has passed. Sizes Slack does not publish are ours.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

TIERS = {
    "conversations.list": 20,
    "usergroups.list": 20,
    "chat.update": 50,
    "chat.delete": 50,
    "users.info": 100,
    "users.lookupByEmail": 50,
    "conversations.info": 50,
    "conversations.join": 50,
    "conversations.open": 50,
    "conversations.history": 50,
    "conversations.replies": 50,
    "conversations.members": 100,
}
"""Calls a minute, for the methods that are in a tier."""

POSTING = frozenset({"chat.postMessage", "webhook"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What is enforced. Zero switches a limit off.

    channel_rate: messages a second to one channel, after `channel_burst` at once.
    workspace_rate: messages a minute to the workspace. tiers: whether other methods have limits.
    tolerance: the share by which a limit may be passed, for the jitter of a network.
    """

    channel_rate: float = 1.0
    channel_burst: int = 5
    workspace_rate: int = 300
    tiers: bool = True
    tolerance: float = 0.05


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is over a limit, and the whole seconds to stay away."""

    reason: str
    retry_after: int


class Meter:
    """Counts calls against `limits` (None: no limits), and keeps a limited method shut."""

    def __init__(self, limits: Limits | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._windows: dict[str, deque[float]] = {}
        self._shut: dict[str, float] = {}

    def shut(self, method: str, seconds: int) -> None:
        """Refuse this method for so long, as after a 429."""
        self._shut[method] = self._clock() + seconds

    def refuse(self, method: str, channel: str | None) -> Refusal | None:
        """Count a call; return why it is refused, None when it is within the limits."""
        now = self._clock()
        until = self._shut.get(method, 0.0)
        if now < until:
            return Refusal("blocked", math.ceil(until - now))
        refusal = self._over(method, channel, now) if self.limits is not None else None
        if refusal is not None:
            self._shut[method] = now + refusal.retry_after
        return refusal

    def _over(self, method: str, channel: str | None, now: float) -> Refusal | None:
        assert self.limits is not None
        if method not in POSTING:
            rate = TIERS.get(method, 0) if self.limits.tiers else 0
            return self._window(method, rate, "tier", now)
        over = self._window("messages", self.limits.workspace_rate, "workspace", now)
        if over is None and channel is not None:
            over = self._bucket(channel, now)
        return over

    def _window(self, name: str, rate: int, reason: str, now: float) -> Refusal | None:
        if not rate or self.limits is None:
            return None
        window = self._windows.setdefault(name, deque())
        while window and window[0] <= now - 60:
            window.popleft()
        if len(window) >= math.ceil(rate * (1 + self.limits.tolerance)):
            return Refusal(reason, max(1, math.ceil(window[0] + 60 - now)))
        window.append(now)
        return None

    def _bucket(self, channel: str, now: float) -> Refusal | None:
        assert self.limits is not None
        rate, burst = self.limits.channel_rate, self.limits.channel_burst
        if not rate:
            return None
        left, then = self._buckets.get(channel, (float(burst), now))
        left = min(float(burst), left + (now - then) * rate)
        if left < 1 - self.limits.tolerance * burst:
            return Refusal("channel", max(1, math.ceil((1 - left) / rate)))
        self._buckets[channel] = (left - 1, now)
        return None
