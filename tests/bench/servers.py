"""The servers that are measured, each in a process of its own; prints its port, ends on SIGTERM.

`python -m tests.bench.servers bare` is the yardstick: a handler that reads the body and answers 202,
on asyncio's own loop; `bare-uvloop` is the same on uvloop.
`… receiver FOLDER` verifies and stores; `… service FOLDER SLACK_URL` is the whole bridge.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop
from aiohttp import web

from bridge import garbage_collector, logs
from bridge.app import Service
from bridge.database import open_database
from bridge.sandbox.copera import SECRET
from bridge.settings import Settings
from bridge.store.intake import Intake
from bridge.web.server import Server
from bridge.web.webhook import LARGEST_BODY, PATH, Webhook

RULES = 'version: 1\nrules: [{name: all, when: {event: created}, post: {to: "#sales"}}]\n'


async def main(kind: str, *arguments: str) -> None:
    logs.configure("error", "json")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if kind == "service":
        await _service(stop, *arguments)
        return
    await (_receiver(stop, *arguments) if kind == "receiver" else _yardstick(stop))


async def _yardstick(stop: asyncio.Event) -> None:
    application = web.Application(client_max_size=LARGEST_BODY)
    application.add_routes([web.post(PATH, _bare)])
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


async def _service(
    stop: asyncio.Event, folder: str, slack_url: str, channel_rate: str = "0", workspace_rate: str = "0"
) -> None:
    rules = Path(folder) / "rules.yaml"
    if not rules.exists():
        rules.write_text(RULES, encoding="utf-8")
    settings = {
        "copera_webhook_secrets": SECRET,
        "slack_bot_token": "xoxb-sandbox",
        "slack_api_url": slack_url,
        "bridge_rules": rules,
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
