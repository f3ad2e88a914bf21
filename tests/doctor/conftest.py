"""A whole bridge in good order, to be broken in one place at a time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge import settings
from bridge.core.reading import read_envelope
from bridge.database import open_database
from bridge.doctor import Finding, examine
from bridge.sandbox.copera import SECRET, CoperaStandIn
from bridge.sandbox.copera_load import populate
from bridge.sandbox.slack import SlackStandIn
from bridge.slack import Slack
from bridge.store.intake import Intake
from bridge.web.health import Health
from tests import payloads

RULES = """\
version: 1
rules:
  - name: sales
    when: {type: Intro Call}
    post: {to: ["#sales", "@host"], mention: lead@example.com}
  - name: secret
    when: {type: Panel interview}
    post: {to: C0HIRING1}
otherwise:
  post: {to: "#bookings"}
"""


@dataclass
class World:
    """The stand-ins, the bridge's settings and its files; a test breaks one of them."""

    folder: Path
    copera: CoperaStandIn
    slack: SlackStandIn
    environment: dict[str, str]
    rules: str = RULES
    health: int = 200
    clock_error: timedelta = field(default_factory=timedelta)

    @property
    def file(self) -> Path:
        return self.folder / "bridge.db"

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_error

    async def findings(self) -> list[Finding]:
        """What the doctor finds."""
        (self.folder / "rules.yaml").write_text(self.rules)
        loaded = settings.load(self.environment)
        token = loaded.slack_bot_token
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            slack = Slack(
                session,
                token=token.get_secret_value() if token else None,
                api_url=loaded.slack_api_url,
                webhooks={},
            )
            unknown = settings.unknown(self.environment)
            walk = examine(loaded, slack, session, clock=self.now, unknown=unknown)
            return [finding async for finding in walk]

    def plain(self, text: str) -> str:
        """Text without what differs from run to run."""
        places = {
            str(self.folder): "FOLDER",
            self.environment["BRIDGE_PUBLIC_URL"]: "PUBLIC",
            self.copera.url: "COPERA",
            self.slack.url: "SLACK",
        }
        for found, name in places.items():
            text = text.replace(found, name)
        return text


@pytest.fixture
async def world(tmp_path: Path, migrated_file: Path) -> AsyncIterator[World]:
    shutil.copy(migrated_file, tmp_path / "bridge.db")
    await _receive(tmp_path / "bridge.db")
    copera, slack = CoperaStandIn(), SlackStandIn()
    populate(copera.calendar, hosts=3)
    copera.load(30)
    for member in copera.calendar.members.values():
        slack.add_user(member.name, member.email)
    slack.add_user("Lead", "lead@example.com")
    slack.add_channel("sales", "C0SALES01")
    slack.add_channel("bookings")
    slack.add_channel("hiring", "C0HIRING1", private=True)
    await copera.start()
    await slack.start()
    made = World(tmp_path, copera, slack, {})
    runner, url = await _bridge(made)
    made.environment |= {
        "COPERA_API_URL": copera.api_url,
        "COPERA_API_TOKEN": copera.token,
        "COPERA_WEBHOOK_SECRETS": SECRET,
        "SLACK_BOT_TOKEN": slack.token,
        "SLACK_API_URL": slack.api_url,
        "BRIDGE_RULES": str(tmp_path / "rules.yaml"),
        "BRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'bridge.db'}",
        "BRIDGE_PUBLIC_URL": url,
        "BRIDGE_SECRET": "0" * 32,
    }
    yield made
    await runner.cleanup()
    await copera.stop()
    await slack.stop()


async def _receive(file: Path) -> None:
    """One event, stored as the webhook stores it."""
    database = await open_database(f"sqlite:///{file}")
    intake = Intake(database)
    storing = asyncio.create_task(intake.run())
    body = payloads.body()
    await intake.accept(read_envelope(body), body, "1", "webhook", datetime.now(UTC))
    storing.cancel()
    await database.close()


async def _bridge(world: World) -> tuple[web.AppRunner, str]:
    """What of the bridge is seen from outside."""

    async def nothing() -> Any:
        return {}

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"alive": True}, status=world.health)

    async def receiver(request: web.Request) -> web.Response:
        raise web.HTTPMethodNotAllowed("GET", ["POST"])

    health = Health(nothing, nothing)
    application = web.Application()
    application.add_routes(
        [web.get("/healthz", healthz), web.get("/webhooks/copera", receiver), *health.routes()[1:]]
    )
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
