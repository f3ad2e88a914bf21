"""Copera: is the token valid, does its scope reach, is the directory open, which hosts are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bridge.copera import Copera, CoperaError, Forbidden, Refused, Unauthorised
from bridge.core.bookings import Person
from bridge.core.sightings import seen
from bridge.doctor.findings import Finding, notice, ok, problem
from bridge.settings import Settings

_BEFORE: Final = timedelta(days=7)
_AFTER: Final = timedelta(days=30)
_MOST_PAGES: Final = 10
_PATIENCE: Final = 25.0
_KEY: Final = "cp_key_"


@dataclass(slots=True)
class Hosts:
    """Whom bookings name: the members as far as they could be read, and the hosts' ids."""

    members: tuple[Person, ...] = ()
    ids: set[str] = field(default_factory=set)


async def examine_copera(settings: Settings, now: datetime, hosts: Hosts) -> AsyncIterator[Finding]:
    """The token, the bookings and the directory; fills `hosts`."""
    token = settings.copera_api_token.get_secret_value() if settings.copera_api_token else ""
    if not token:
        said = "COPERA_API_TOKEN is not set: no feeds, no repairs, ids for names"
        yield notice("Copera", said, "make a token with the scope access_bookings and set it")
        return
    async with Copera(settings.copera_api_url, token, pause=0.2) as copera:
        finding = await _bookings(copera, now, hosts)
        yield finding
        if finding.state == "problem":
            return
        yield await _directory(copera, token, hosts)


async def _bookings(copera: Copera, now: datetime, hosts: Hosts) -> Finding:
    pages = found = 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for page in copera.pages(now - _BEFORE, now + _AFTER, attempts=1):
                found += len(page)
                for sighting in page:
                    hosts.ids.update(seen(sighting).host_ids)
                pages += 1
                if pages == _MOST_PAGES:
                    break
    except TimeoutError:
        return problem("Copera", "it does not answer in time", "look at its status page, and at the network")
    except (Unauthorised, Forbidden, Refused) as reason:
        said, _, remedy = str(reason).partition(". ")
        return problem("Copera", said, remedy)
    except CoperaError as reason:
        remedy = "try again later; if it stays, see that COPERA_API_URL is right and can be reached from here"
        return problem("Copera", str(reason), remedy)
    more = " or more" if pages == _MOST_PAGES else ""
    return ok("Copera", f"the token reads bookings: {found}{more} from 7 days back to 30 days ahead")


async def _directory(copera: Copera, token: str, hosts: Hosts) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE):
            hosts.members = await copera.members()
    except (CoperaError, TimeoutError) as reason:
        why = (
            "an integration key cannot read it" if token.startswith(_KEY) else str(reason).partition(". ")[0]
        )
        said = f"the workspace's members cannot be read, so that names will be ids: {why or 'no answer'}"
        remedy = "use a personal token (cp_pat_…), or name the hosts under people: in the rules"
        return notice("directory", said, remedy)
    return ok("directory", f"{len(hosts.members)} members")
