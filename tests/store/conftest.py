"""A store with events in it, and a short way to make deliveries."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.core.knowledge import Knowledge
from bridge.core.pacing import Pace
from bridge.core.reading import Envelope, read_envelope
from bridge.core.rules.file import load
from bridge.database import Database
from bridge.router import Router
from bridge.store.deliveries import Deliveries
from bridge.store.delivery import Claimed, Delivery
from bridge.store.gate_policy import Claimant
from bridge.store.intake import Intake
from tests import payloads

NOW = datetime(2026, 7, 6, 9, 0, tzinfo=UTC)
RULES = b'version: 1\nrules: [{name: all, post: {to: ["#sales"]}}]\n'


@dataclass
class Line:
    """The store's part of the line: events in, deliveries to be claimed; `now` moves only by hand."""

    database: Database
    now: datetime = NOW
    rules: bytes = RULES
    deliveries: Deliveries = field(init=False)

    def __post_init__(self) -> None:
        self.deliveries = Deliveries(self.database)

    async def receive(self, event: str, seconds: float = 0, **data: Any) -> str:
        """Store an event; its id."""
        at = (NOW + timedelta(seconds=seconds)).isoformat()
        body = json.dumps(payloads.document(f"booking.{event}", at, **data)).encode()
        return await self.store(read_envelope(body), body)

    async def store(self, envelope: Envelope, body: bytes, version: str = "1") -> str:
        """Store a body as what the envelope says of it; its id."""
        intake = Intake(self.database)
        running = asyncio.create_task(intake.run())
        try:
            await intake.accept(envelope, body, version, "webhook", self.now)
        finally:
            running.cancel()
        return envelope.id

    async def route(self) -> None:
        rules = load(self.rules, name="rules.yaml", webhooks=["TEAM"], now=self.now).rules
        router = Router(self.database, lambda: Knowledge(rules), clock=lambda: self.now)
        while await router.route_received():
            pass

    async def take(self, owner: str = "me", limit: int = 64, **paces: Pace) -> list[Delivery]:
        return (await self.claim(owner, limit, **paces)).deliveries

    async def claim(self, owner: str = "me", limit: int = 64, **paces: Pace) -> Claimed:
        claimant = Claimant(owner, **{name: paces.get(name) for name in ("channel", "workspace", "edits")})
        return await self.deliveries.claim(claimant, limit, self.now)


@pytest.fixture
def line(database: Database) -> Line:
    return Line(database)
