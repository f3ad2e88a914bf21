"""Pacing ahead of Slack's limits: an allowance that refills, as the generic cell rate algorithm has it.

Slack takes about one message a second in a channel and several hundred a minute in a workspace
(docs.slack.dev/apis/web-api/rate-limits). One time is the whole state: when the allowance is full again.
A `Pace` admits by the time a call is permitted; `Spacing` by the time it can have reached Slack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

CHANNEL_BURST: Final = 5
JITTER: Final = timedelta(seconds=0.5)
"""By how much one message may take longer to Slack than the next, without both counting as too fast."""

EDITS_A_MINUTE: Final = 50
"""chat.update is in Slack's tier 3."""

_PLACES: Final = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """`burst` at once, then one every `interval`."""

    interval: timedelta
    burst: int

    def take(self, full_at: datetime | None, now: datetime) -> datetime | None:
        """The new `full_at` when one may pass now, else None."""
        base = max(full_at or now, now)
        if base + self.interval - now > self.interval * self.burst:
            return None
        return base + self.interval

    def opens_at(self, full_at: datetime) -> datetime:
        """When the next one may pass, once the allowance is used up.

        A little later than need be, once: what follows keeps that distance from the limit.
        """
        return full_at - self.interval * (self.burst - 1) + JITTER


def channel_pace(a_second: float) -> Pace | None:
    """One channel's pace; None when unpaced. A little slower than asked, for the clocks' sake."""
    return Pace(timedelta(seconds=1.01 / a_second), CHANNEL_BURST) if a_second else None


def minute_pace(a_minute: float) -> Pace | None:
    """A pace of which no minute sees more than `a_minute`, its burst included; None when unpaced.

    The burst is large enough for one event in a handful of places, which are to change together.
    """
    if not a_minute:
        return None
    burst = max(1, min(_PLACES, int(a_minute / 10)), int(a_minute / 30))
    steady = max(a_minute - burst, a_minute / 2)
    return Pace(timedelta(seconds=60 / steady), burst)


class Spacing:
    """Keeps what arrives to a pace, however long calls are on their way.

    A call arrives at some time between its beginning and its end, so what counts for those after it is
    its end. `now` is in seconds, of any clock that never goes back.
    """

    def __init__(self, pace: Pace) -> None:
        self._interval = pace.interval.total_seconds()
        self._burst = pace.burst
        self._begun = 0
        self._under_way: set[int] = set()
        self._full_at = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until the next call may begin, 0 when at once; infinite: until one ends."""
        if self._under_way and self._since(min(self._under_way)) + 1 > self._burst:
            return math.inf
        return max(0.0, self._full_at + self._interval * (1 - self._burst) - now)

    def begin(self) -> int:
        """A call begins; its number."""
        self._begun += 1
        self._full_at += self._interval
        self._under_way.add(self._begun)
        return self._begun

    def end(self, number: int, now: float) -> None:
        """A call is over: it has arrived, if ever it does."""
        self._under_way.remove(number)
        self._full_at = max(self._full_at, now + self._interval * self._since(number))

    def is_rested(self, now: float) -> bool:
        """Whether nothing is under way and the allowance is full, as at first."""
        return not self._under_way and self._full_at <= now

    def _since(self, number: int) -> int:
        """How many have begun from this one on."""
        return self._begun - number + 1
