"""The servers that are measured, each in a process of its own; prints its port, ends on SIGTERM.

`python -m tests.bench.servers bare` is the yardstick of acknowledging: a handler that reads the body and
answers 202, on asyncio's own loop; `bare-uvloop` is the same on uvloop. `relay SLACK_URL` is that of
delivering: a handler that posts what comes in to Slack with slack_sdk and keeps nothing.
`receiver FOLDER` verifies and stores; `service FOLDER SLACK_URL` is the whole bridge by the folder's
rules.yaml, which logs errors only, as the yardsticks do; `talkative FOLDER SLACK_URL` is it at the log level
that is its default.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from bridge import garbage_collector, logs
from bridge.app import Service
from bridge.core.reading import read_envelope
from bridge.database import open_database
from bridge.sandbox.copera import SECRET
from bridge.settings import Settings
from bridge.store.intake import Intake
from bridge.web.server import Server
from bridge.web.webhook import LARGEST_BODY, PATH, Webhook
from tests.bench import posting

Handler = Callable[[web.Request], Awaitable[web.Response]]


async def main(kind: str, *arguments: str) -> None:
    logs.configure("info" if kind == "talkative" else "error", "json")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if kind in {"service", "talkative"}:
        await _service(stop, *arguments)
        return
    if kind == "receiver":
        await _receiver(stop, *arguments)
    elif kind == "relay":
        async with posting.client(*arguments) as slack:
            await _yardstick(stop, lambda request: _relay(request, slack))
    else:
        await _yardstick(stop, _bare)


async def _yardstick(stop: asyncio.Event, handler: Handler) -> None:
    application = web.Application(client_max_size=LARGEST_BODY)
    application.add_routes([web.post(PATH, handler)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _tell(runner.addresses[0][1])
    await stop.wait()
    await runner.cleanup()


async def _receiver(stop: asyncio.Event, folder: str) -> None:
    intake = Intake(await open_database(f"sqlite:///{folder}/bridge.db"))
    work = asyncio.create_task(intake.run())
    webhook = Webhook(intake, secrets=[SECRET], retention=timedelta(days=30), clock=lambda: datetime.now(UTC))
    server = Server(webhook.routes(), direct=(PATH, webhook.receive))
    url = await server.start("127.0.0.1", 0)
    garbage_collector.tune()
    _tell(url.rpartition(":")[2])
    await stop.wait()
    await server.close()
    work.cancel()


def _tell(port: int | str) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


async def _bare(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=202)


async def _relay(request: web.Request, slack: AsyncWebClient) -> web.Response:
    body = await request.read()
    event = read_envelope(body).id
    title: str = json.loads(body)["data"]["bookingTypeTitle"]
    await posting.post(slack, title.replace("T", "#c"), event)
    return web.Response(status=202)


async def _service(
    stop: asyncio.Event, folder: str, slack_url: str, channel_rate: str = "0", workspace_rate: str = "0"
) -> None:
    settings = {
        "copera_webhook_secrets": SECRET,
        "slack_bot_token": "xoxb-sandbox",
        "slack_api_url": slack_url,
        "bridge_rules": Path(folder) / "rules.yaml",
        "bridge_database_url": f"sqlite:///{folder}/bridge.db",
        "bridge_host": "127.0.0.1",
        "bridge_port": 0,
        "bridge_secret": "s" * 32,
        "bridge_channel_rate": channel_rate,
        "bridge_workspace_rate": workspace_rate,
    }
    service = Service(Settings.model_validate(settings))
    await service.start()
    garbage_collector.tune()
    _tell(service.url.rpartition(":")[2])
    await stop.wait()
    await service.close()


if __name__ == "__main__":
    run = asyncio.run if sys.argv[1] == "bare" else uvloop.run
    run(main(*sys.argv[1:]))
