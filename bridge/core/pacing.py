"""Pacing ahead of Slack's limits: an allowance that refills, as the generic cell rate algorithm has it.

Slack takes about one message a second in a channel and several hundred a minute in a workspace
(docs.slack.dev/apis/web-api/rate-limits). One time is the whole state: when the allowance is full again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

CHANNEL_BURST: Final = 5
JITTER: Final = timedelta(seconds=0.5)
"""By how much one message may take longer to Slack than the next, without both counting as too fast."""

EDITS_A_MINUTE: Final = 50
"""chat.update is in Slack's tier 3."""


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
    """A pace of which no minute sees more than `a_minute`, its burst included; None when unpaced."""
    if not a_minute:
        return None
    burst = max(1, int(a_minute / 30))
    steady = max(a_minute - burst, a_minute / 2)
    return Pace(timedelta(seconds=60 / steady), burst)
