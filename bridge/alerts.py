"""The bridge's own trouble, told in the channel that the rules name: at most one message a minute."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from bridge.core.messages import render_alert
from bridge.core.retry import Verdict
from bridge.slack import Purpose, Slack

log = structlog.get_logger()

_PAUSE: Final = 60.0
_MOST_LINES: Final = 10
_WEBHOOK: Final = "webhook:"


class Alerts:
    """Collects lines and posts them together."""

    def __init__(self, slack: Slack, channel: Callable[[], str | None]) -> None:
        self._slack = slack
        self._channel = channel
        self._lines: dict[str, Counter[str]] = {}
        self._arrived = asyncio.Event()

    async def report(self, kind: str, line: str) -> None:
        """Have a line told under the heading of its kind; never waits for Slack."""
        if self._channel() is None:
            return
        lines = self._lines.setdefault(kind, Counter())
        if line in lines or len(lines) < 1000:
            lines[line] += 1
        self._arrived.set()

    async def run(self) -> None:
        """Post what was reported, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            reported, self._lines = self._lines, {}
            for kind, lines in reported.items():
                await self._post(kind, lines)
            await asyncio.sleep(_PAUSE)

    async def _post(self, kind: str, lines: Counter[str]) -> None:
        channel = self._channel()
        if channel is None:
            return
        said = [
            f"{line} ({times} times)" if times > 1 else line for line, times in lines.most_common(_MOST_LINES)
        ]
        if len(lines) > _MOST_LINES:
            said.append(
                f"and {len(lines) - _MOST_LINES} more; see `booking-bridge deliveries list --state dead`"
            )
        message = render_alert(f"booking-bridge: {kind}", said)
        if channel.startswith(_WEBHOOK):
            outcome = await self._slack.post_webhook(channel.removeprefix(_WEBHOOK), message)
        else:
            outcome = await self._slack.post(channel, message, Purpose("alert", "post"))
        if outcome.verdict is not Verdict.SENT:
            log.warning("alert.not_sent", kind=kind, error=outcome.error)
