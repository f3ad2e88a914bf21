"""The real service in this process, between the stand-ins, for stories of a few events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp

from bridge.app import Service, utc_now
from bridge.copera import Copera
from bridge.core.signature import sign
from bridge.repair import PATIENCE
from bridge.sandbox.copera import SECRET, CoperaStandIn
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Message
from bridge.settings import Settings
from tests import payloads

RULES = """
version: 1
rules:
  - name: sales
    when: {type: Intro Call}
    post: {to: "#sales"}
otherwise:
  post: {to: "#bookings"}
"""

PATIENT = 120.0
"""Seconds after which a wait is given up: never reached but by what hangs, on however busy a machine."""


class Bridge:
    """A running bridge with its Slack; `at(seconds)` are times of events, a minute ago and later."""

    def __init__(
        self, service: Service, slack: SlackStandIn, copera: CoperaStandIn | None, rules: Path
    ) -> None:
        self.service, self.slack, self.copera, self.rules = service, slack, copera, rules
        self.session = aiohttp.ClientSession()
        self._begun = datetime.now(UTC) - timedelta(minutes=10)

    def at(self, seconds: float) -> str:
        return (self._begun + timedelta(seconds=seconds)).isoformat()

    async def send(self, event: str, seconds: float = 0, **data: Any) -> int:
        """Post a signed event; the answer's status."""
        return await self.post(
            json.dumps(payloads.document(f"booking.{event}", self.at(seconds), **data)).encode()
        )

    async def post(self, body: bytes) -> int:
        headers = {"X-Copera-Signature": sign(body, SECRET)}
        async with self.session.post(
            f"{self.service.url}/webhooks/copera", data=body, headers=headers
        ) as answer:
            return answer.status

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(self.service.url + path) as answer:
            is_json = "json" in answer.content_type
            return answer.status, await answer.json() if is_json else await answer.text()

    def posted(self, channel: str) -> list[Message]:
        return [message for message in self.slack.messages(channel) if not message.is_reply]

    def replies(self, channel: str) -> list[str]:
        return [message.text for message in self.slack.messages(channel) if message.is_reply]

    async def settled(self, patience: float = PATIENT) -> None:
        """Wait until nothing is received, waiting or sending."""
        await eventually(self._is_settled, patience)

    async def _is_settled(self) -> bool:
        queue = await self.service.queue()
        return queue.received + queue.waiting + queue.sending == 0


async def eventually(condition: Callable[[], Any], patience: float = PATIENT) -> None:
    """Wait until a condition holds; it may be a coroutine function.

    The longer it takes, the more seldom it is asked: many conditions are queries, which take processor time
    from what is waited for. The patience counts what was waited here, not what a stopped machine took.
    """
    waited = 0.0
    while True:
        holds = condition()
        if asyncio.iscoroutine(holds):
            holds = await holds
        if holds:
            return
        assert waited < patience, f"{condition} did not come true"
        pause = min(max(waited / 8, 0.01), 0.1)
        await asyncio.sleep(pause)
        waited += pause


@asynccontextmanager
async def running(
    folder: Path,
    *,
    database_url: str = "",
    rules: str = RULES,
    slack: SlackStandIn | None = None,
    copera: CoperaStandIn | None = None,
    clock: Callable[[], datetime] = utc_now,
    patience: timedelta = PATIENCE,
    **settings: Any,
) -> AsyncIterator[Bridge]:
    """A bridge, unpaced unless the settings say otherwise; the stand-ins are started when they are not."""
    stand_in = slack or SlackStandIn()
    if slack is None:
        for name in ("sales", "bookings", "ops"):
            stand_in.add_channel(name)
        await stand_in.start()
    file = folder / "rules.yaml"
    file.write_text(rules, encoding="utf-8")
    values: dict[str, Any] = {
        "copera_webhook_secrets": SECRET,
        "slack_bot_token": stand_in.token,
        "slack_api_url": stand_in.api_url,
        "bridge_rules": file,
        "bridge_database_url": database_url or f"sqlite:///{folder / 'bridge.db'}",
        "bridge_host": "127.0.0.1",
        "bridge_port": 0,
        "bridge_secret": "s" * 32,
        "bridge_channel_rate": 0,
        "bridge_workspace_rate": 0,
    }
    if copera is not None:
        values |= {"copera_api_url": copera.api_url, "copera_api_token": copera.token}
    service = Service(Settings.model_validate(values | settings), clock=clock, patience=patience)
    with patch("bridge.app.Copera", partial(Copera, pause=0.01)):  # or it waits seconds between attempts
        await service.start()
    bridge = Bridge(service, stand_in, copera, file)
    try:
        yield bridge
    finally:
        await bridge.session.close()
        await service.close()
        if slack is None:
            await stand_in.stop()
