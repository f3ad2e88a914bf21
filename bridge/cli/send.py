"""`booking-bridge send`: sign an event and post it to a running bridge, as Copera would."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import aiohttp
import typer

from bridge.cli.common import load_settings, run
from bridge.core.reading import VERSION, NotAnEvent, read_envelope
from bridge.core.signature import sign
from bridge.setting_values import web_address


def add_to(application: typer.Typer) -> None:
    application.command()(send)


def send(
    event: Annotated[
        Path,
        typer.Argument(
            metavar="EVENT.json", help="A file with the event as Copera sends it.", dir_okay=False
        ),
    ],
    url: Annotated[str, typer.Option(help="The receiver's address; default: this machine's bridge.")] = "",
    as_is: Annotated[bool, typer.Option("--as-is", help="Keep createdAt; default: now.")] = False,
) -> None:
    """Sign an event and post it to a running bridge, as Copera would."""
    settings = load_settings("COPERA_WEBHOOK_SECRETS")
    target = url or f"http://127.0.0.1:{settings.bridge_port}/webhooks/copera"
    try:
        web_address(target)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="--url") from None
    secret = settings.copera_webhook_secrets[0].get_secret_value()
    try:
        body = event.read_bytes()
        read_envelope(body)
        if not as_is:
            body = _today(body)
        if why := read_envelope(body).problem:
            typer.echo(f"booking-bridge: {event}: will be kept as unrecognised: {why}", err=True)
    except (OSError, NotAnEvent) as problem:
        typer.echo(f"booking-bridge: {event}: {getattr(problem, 'strerror', None) or problem}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(run(_post(target, body, secret)))


def _today(body: bytes) -> bytes:
    document = json.loads(body)
    document["createdAt"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps(document, ensure_ascii=False).encode()


async def _post(url: str, body: bytes, secret: str) -> int:
    headers = {
        "Content-Type": "application/json",
        "X-Copera-Event": str(json.loads(body)["event"]),
        "X-Copera-Webhook-Version": VERSION,
        "X-Copera-Signature": sign(body, secret),
    }
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            typer.echo(f"{answer.status} {(await answer.text()).strip()}")
            return 0 if answer.status < 300 else 1
    except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
        typer.echo(f"booking-bridge: no answer from {url}: {problem or 'time-out'}", err=True)
        return 1
