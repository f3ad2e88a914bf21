"""`booking-bridge serve` and `demo`: the running service, for real and on stand-ins."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Annotated

import structlog
import typer

from bridge import garbage_collector, logs, settings
from bridge.app import CannotStart, Service
from bridge.cli.common import load_settings, run
from bridge.settings import REQUIRED
from bridge.web.server import CannotListen

log = structlog.get_logger()


def add_to(application: typer.Typer) -> None:
    application.command()(serve)
    application.command()(demo)


def serve() -> None:
    """Run the service until it is told to stop."""
    loaded = load_settings(*REQUIRED)
    logs.configure(loaded.bridge_log_level, loaded.bridge_log_format)
    for line in settings.unknown(settings.environment(os.environ)):
        log.warning("settings.unknown", problem=line)
    try:
        status = run(_serve(loaded))
    except (CannotStart, CannotListen) as problem:
        typer.echo(f"booking-bridge: {problem}", err=True)
        status = 2
    raise typer.Exit(status)


async def _serve(loaded: settings.Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = Service(loaded)
    await service.start()
    garbage_collector.tune()
    loop.add_signal_handler(signal.SIGHUP, service.rulebook.reload)
    try:
        return 0 if await service.wait(stop) else 1
    finally:
        await service.close()


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Play fast, check that everything arrived, and end.")
    ] = False,
) -> None:
    """Show the service at work on local stand-ins for Copera and Slack; needs no account."""
    from bridge.sandbox import demo as sandbox_demo

    logs.configure("warning", "text", sys.stderr)
    raise typer.Exit(run(sandbox_demo.run(once=once)))
