"""The walk: every part in turn, a finding as soon as it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

import aiohttp

from bridge.core.bookings import Directory
from bridge.core.rules.needs import needs
from bridge.core.rules.rules import Rules
from bridge.doctor.copera import Hosts, examine_copera
from bridge.doctor.database import examine_database
from bridge.doctor.findings import Finding, notice, ok
from bridge.doctor.network import examine_address, examine_clock
from bridge.doctor.rules import examine_rules
from bridge.doctor.slack import examine_slack, known
from bridge.settings import NAMES, Settings
from bridge.slack import Slack

_DOTENV: Final = Path(".env")


async def examine(
    settings: Settings,
    slack: Slack,
    session: aiohttp.ClientSession,
    *,
    clock: Callable[[], datetime],
    unknown: Iterable[str] = (),
) -> AsyncIterator[Finding]:
    """Look at everything. `unknown` are lines about variables that look like settings and are none."""
    for finding in _settings(settings, list(unknown)):
        yield finding
    finding, rules = examine_rules(settings)
    yield finding
    async for finding in examine_database(settings, clock()):
        yield finding
    hosts = Hosts()
    async for finding in examine_copera(settings, clock(), hosts):
        yield finding
    yield await examine_clock(session, settings, clock)
    async for finding in _slack(slack, rules, hosts):
        yield finding
    yield await examine_address(session, settings)


async def _slack(slack: Slack, rules: Rules | None, hosts: Hosts) -> AsyncIterator[Finding]:
    """With rules that cannot be used only the token is looked at."""
    named = rules if rules is not None else Rules()
    directory = Directory(hosts.members, named.people)
    ids = hosts.ids | {person.id for person in named.people}
    async for finding in examine_slack(slack, needs(named), known(directory, ids)):
        yield finding


def _settings(settings: Settings, unknown: list[str]) -> list[Finding]:
    given = len(settings.model_fields_set - {"slack_webhooks"}) + len(settings.slack_webhooks)
    said = f"{given} set, {len(NAMES) - len(settings.model_fields_set - {'slack_webhooks'})} by default"
    found = [ok("settings", said), *(notice("settings", line, "correct the name") for line in unknown)]
    if _DOTENV.is_file() and _DOTENV.stat().st_mode & 0o044:
        found.append(notice("settings", ".env, with its secrets, can be read by others", "chmod 600 .env"))
    return found
