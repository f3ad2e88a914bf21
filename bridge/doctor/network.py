"""Clocks and the public address: plain HTTP requests, without any token."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Final

import aiohttp
from yarl import URL

from bridge.doctor.findings import Finding, notice, ok, problem
from bridge.settings import Settings

_TOLERATED: Final = timedelta(seconds=30)
_WRONG: Final = timedelta(minutes=5)
_RECEIVER: Final = "/webhooks/copera"
_LARGEST: Final = 100_000
_BEHIND: Final = "see that the proxy in front passes everything on to the bridge"


async def examine_clock(
    session: aiohttp.ClientSession, settings: Settings, clock: Callable[[], datetime]
) -> Finding:
    """This machine's clock against the `Date` of Copera's and Slack's answers."""
    for address in (settings.copera_api_url, settings.slack_api_url):
        try:
            begun = clock()
            async with session.get(address, allow_redirects=False) as answer:
                theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
                ours = begun + (clock() - begun) / 2
            skew = ours - theirs  # `Date` is in whole seconds
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError):
            continue
        where = URL(address).host
        said = f"{_span(abs(skew))} {'ahead of' if skew > timedelta() else 'behind'} {where}"
        remedy = "have the machine's clock set by NTP, e.g. `timedatectl set-ntp true`"
        if abs(skew) >= _WRONG:
            return problem("clock", said, remedy)
        return notice("clock", said, remedy) if abs(skew) >= _TOLERATED else ok("clock", f"right, by {where}")
    return notice("clock", "nobody answered with a date to compare it with", "look at the network")


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


async def examine_address(session: aiohttp.ClientSession, settings: Settings) -> Finding:
    """Whether BRIDGE_PUBLIC_URL leads to the bridge, by HTTPS, where Copera can reach it."""
    base = settings.bridge_public_url
    url = URL(base)
    local = await _is_private(url.host or "")
    if url.scheme != "https" and not local:
        return problem("public address", f"{base} is not HTTPS", _HTTPS)
    try:
        found = await _receiver(session, base)
    except aiohttp.ClientConnectorCertificateError as error:
        said = f"{base}: the certificate is not valid: {error.certificate_error}"
        return problem("public address", said, "renew it, or let Caddy get one (see deploy/)")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        why = getattr(getattr(error, "os_error", None), "strerror", None) or type(error).__name__
        remedy = "see that the bridge runs, and that the name, the proxy and the firewall lead to it"
        return problem("public address", f"{base} cannot be reached from here: {why}", remedy)
    if found:
        return problem("public address", f"{base}: {found}", _BEHIND)
    if url.scheme != "https":
        said = f"{base} leads to the bridge on this machine or network only"
        return notice("public address", said, _HTTPS)
    if local:
        said = f"{base} leads to the bridge, but from here it is a private address, and Copera refuses those"
        return notice("public address", said, "see that the name is public elsewhere")
    return ok("public address", f"{base} leads to the bridge, by HTTPS")


_HTTPS: Final = (
    "Copera sends to public HTTPS addresses only: set BRIDGE_PUBLIC_URL to one (deploy/ has Caddy)"
)


async def _receiver(session: aiohttp.ClientSession, base: str) -> str:
    """What is wrong with what answers there, "" when it is the bridge."""
    async with session.get(f"{base}/healthz", allow_redirects=False) as answer:
        if answer.status in {301, 302, 307, 308}:
            return f"it redirects to {answer.headers.get('Location', '')[:100]}; Copera may not follow"
        if answer.status != 200 or not await _alive(answer):
            return f"something else answers there (HTTP {answer.status} to /healthz)"
    async with session.get(base + _RECEIVER, allow_redirects=False) as answer:
        if answer.status != 405:
            return f"the receiver is not there (HTTP {answer.status} to {_RECEIVER})"
    return ""


async def _alive(answer: aiohttp.ClientResponse) -> bool:
    try:
        return bool(json.loads(await answer.content.read(_LARGEST)) == {"alive": True})
    except (ValueError, RecursionError):
        return False


async def _is_private(host: str) -> bool:
    """Whether every address of this host is one that only this machine or network knows."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(not ip_address(str(info[4][0]).partition("%")[0]).is_global for info in infos)
