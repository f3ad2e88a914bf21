"""`booking-bridge doctor`: is everything in order, here, in Copera and in Slack."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final

import aiohttp
import typer

from bridge import settings
from bridge.cli.common import Json, load_settings, print_json, run
from bridge.core.rules.destinations import BadDestination
from bridge.doctor import Finding, examine, read_place, say
from bridge.doctor.findings import State
from bridge.slack import TIMEOUT, Slack

_MARKS: Final[dict[State, str]] = {"ok": "✓", "notice": "!", "problem": "✗"}
_PLAIN: Final[dict[State, str]] = {"ok": "+", "notice": "!", "problem": "x"}


def add_to(application: typer.Typer) -> None:
    application.command()(doctor)


def doctor(
    as_json: Json = False,
    place: Annotated[
        str, typer.Option("--say", metavar="DESTINATION", help="Also post one test message there.")
    ] = "",
) -> None:
    """Look at settings, rules, database, Copera, Slack and the public address; a remedy for each trouble."""
    try:
        destination = read_place(place) if place else ""
    except BadDestination as reason:
        raise typer.BadParameter(str(reason), param_hint="--say") from None
    loaded = load_settings(*settings.REQUIRED)
    findings = run(_doctor(loaded, destination, quiet=as_json))
    is_well = all(finding.state != "problem" for finding in findings)
    if as_json:
        print_json({"ok": is_well, "findings": [asdict(finding) for finding in findings]})
    raise typer.Exit(0 if is_well else 1)


async def _doctor(loaded: settings.Settings, place: str, *, quiet: bool) -> list[Finding]:
    findings = []
    async for finding in _findings(loaded, place):
        findings.append(finding)
        if not quiet:
            _print(finding)
    return findings


async def _findings(loaded: settings.Settings, place: str) -> AsyncIterator[Finding]:
    token = loaded.slack_bot_token
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session:
        slack = Slack(
            session,
            token=token.get_secret_value() if token else None,
            api_url=loaded.slack_api_url,
            webhooks={name: secret.get_secret_value() for name, secret in loaded.slack_webhooks.items()},
        )
        unknown = settings.unknown(settings.environment(os.environ))
        async for finding in examine(loaded, slack, session, clock=_now, unknown=unknown):
            yield finding
        if place:
            yield await say(slack, place)


def _now() -> datetime:
    return datetime.now(UTC)


def _print(finding: Finding) -> None:
    """✓ or ✗ where the terminal can show them."""
    marks = _MARKS if "utf" in (sys.stdout.encoding or "").lower() else _PLAIN
    remedy = f"\n    → {finding.remedy}" if finding.remedy else ""
    line = f"{marks[finding.state]} {finding.part}: {finding.says}{remedy}"
    encoding = sys.stdout.encoding or "ascii"
    typer.echo(line.encode(encoding, "replace").decode(encoding))
