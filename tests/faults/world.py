"""A world with one Slack, one database and bridges that die: what was sent, and what must be true of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bridge.core.reading import read_envelope
from bridge.core.signature import sign
from bridge.database import Unavailable, open_database
from bridge.sandbox.copera import SECRET
from bridge.sandbox.slack import TOKEN
from bridge.sandbox.slack_limits import Limits
from bridge.store.figures import Figures
from bridge.store.history import DeliveryRecord, History
from tests import payloads
from tests.faults.processes import Kill, Process, start_bridge, start_slack
from tests.service.bridge import PATIENT, eventually

RULES = """
version: 1
rules:
  - {name: cards, when: {type: Intro Call}, post: {to: "#sales"}}
  - {name: posts, when: {type: Storm}, post: {to: "#storm", style: post}}
otherwise: {post: {to: "#bookings"}}
"""


@dataclass(frozen=True)
class Sent:
    """An event as it was sent; `acknowledged` is whether the bridge said that it has it.

    `booker` is the name of who books, by which a card shows which event it shows; "" when none was given.
    """

    id: str
    booking: str
    seconds: float
    acknowledged: bool
    booker: str = ""


@dataclass
class World:
    """Everything around the bridge."""

    folder: Path
    slack: Process
    session: aiohttp.ClientSession
    values: dict[str, Any]
    bridges: list[Process] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    begun: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=30))

    async def bridge(self, kill: Kill | None = None, ahead: float = 0, **values: Any) -> Process:
        """One more bridge on this database, its clock so many seconds ahead."""
        process = await start_bridge(self.values | values, kill, ahead)
        self.bridges.append(process)
        return process

    async def send(self, bridge: Process, event: str, booking: str, seconds: float, **data: Any) -> int:
        """One signed event; the status, 0 when the bridge died on it."""
        at = (self.begun + timedelta(seconds=seconds)).isoformat()
        body = json.dumps(payloads.document(f"booking.{event}", at, id=booking, **data)).encode()
        headers = {"X-Copera-Signature": sign(body, SECRET)}
        status = 0
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            address = f"{bridge.url}/webhooks/copera"
            async with self.session.post(address, data=body, headers=headers) as answer:
                status = answer.status
        booker = data.get("booker", {}).get("name", "")
        self.sent.append(Sent(read_envelope(body).id, booking, seconds, status in {200, 202}, booker))
        return status

    async def ready(self, bridge: Process) -> tuple[int, dict[str, Any]]:
        """What /readyz answers: the status, and the parts."""
        async with self.session.get(f"{bridge.url}/readyz") as answer:
            return answer.status, (await answer.json())["parts"]

    async def order(self, name: str, /, **body: Any) -> Any:
        """Tell Slack's stand-in what to do."""
        async with self.session.post(f"{self.slack.url}/_control/{name}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def limits(self, limits: dict[str, Any] | None) -> None:
        async with self.session.post(f"{self.slack.url}/_control/limits", json=limits) as answer:
            assert answer.status == 200, await answer.text()

    async def look(self, view: str, **query: str) -> Any:
        async with self.session.get(f"{self.slack.url}/_control/{view}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def settled(self, patience: float = PATIENT) -> None:
        """Wait until nothing is received, waiting or sending any more."""
        database = await open_database(self.values["bridge_database_url"], migrate=False)

        async def is_settled() -> bool:
            try:
                queue = await Figures(database).queue()
            except Unavailable:  # this process may be stopped for as long as PostgreSQL bears with it
                return False
            return queue.received + queue.waiting + queue.sending == 0

        try:
            await eventually(is_settled, patience)
        finally:
            await database.close()

    async def deliveries(self) -> list[DeliveryRecord]:
        database = await open_database(self.values["bridge_database_url"], migrate=False)
        try:
            return await History(database).deliveries(limit=10_000)
        finally:
            await database.close()

    async def check(self, *, at_least_once: bool = False) -> None:
        """The invariant over the whole history: every acknowledged event has its effect, once, in order."""
        messages = await self.look("messages")
        told = [_purpose(message) for message in messages]
        twice = [purpose for purpose, times in Counter(told).items() if times > 1]
        assert at_least_once or not twice, twice
        events = Counter(event for event, _, _ in set(told))
        missing = [sent for sent in self.sent if sent.acknowledged and events[sent.id] != 1]
        assert not missing, missing
        seconds = {sent.id: (sent.booking, sent.seconds) for sent in self.sent}
        order: defaultdict[str, list[float]] = defaultdict(list)
        for event, _, _ in told:
            booking, when = seconds[event]
            order[booking].append(when)
        if not at_least_once:
            assert all(times == sorted(times) for times in order.values()), order
        stale = [text for message in messages if (text := self._stale(message))]
        assert not stale, stale
        assert all(record.state in {"sent", "skipped"} for record in await self.deliveries())

    def _stale(self, message: dict[str, Any]) -> str:
        """What a card shows that does not show the latest event of its booking; "" when it does."""
        event, _, part = _purpose(message)
        booking = next(sent.booking for sent in self.sent if sent.id == event)
        named = [sent for sent in self.sent if sent.booking == booking and sent.booker]
        if part != "card" or not named:
            return ""
        latest = max((sent.seconds for sent in named if sent.acknowledged), default=0.0)
        text: str = message["content"]["text"]
        return "" if any(sent.booker in text for sent in named if sent.seconds >= latest) else text


def _purpose(message: dict[str, Any]) -> tuple[str, str, str]:
    payload = message["metadata"]["event_payload"]
    return payload["event"], payload["delivery"], payload["part"]


@asynccontextmanager
async def world(
    folder: Path,
    *,
    database_url: str = "",
    limits: Limits | None = None,
    rules: str = RULES,
    **values: Any,
) -> AsyncIterator[World]:
    """A Slack without bridges yet; unpaced and without limits unless told otherwise."""
    slack = await start_slack(("sales", "storm", "bookings", "ops"), limits)
    file = folder / "rules.yaml"
    file.write_text(rules, encoding="utf-8")
    given: dict[str, Any] = {
        "copera_webhook_secrets": SECRET,
        "slack_bot_token": TOKEN,
        "slack_api_url": f"{slack.url}/api/",
        "bridge_rules": file,
        "bridge_database_url": database_url or f"sqlite:///{folder / 'bridge.db'}",
        "bridge_host": "127.0.0.1",
        "bridge_port": 0,
        "bridge_secret": "s" * 32,
        "bridge_channel_rate": 0,
        "bridge_workspace_rate": 0,
    }
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
    place = World(folder, slack, session, given | values)
    try:
        yield place
    finally:
        await session.close()
        for process in (*place.bridges, slack):
            process.kill()


async def gathered(work: Sequence[Any]) -> list[Any]:
    return list(await asyncio.gather(*work))
