"""Who is asking: `X-Forwarded-For` is believed from trusted proxies only.

Anybody can send this header; only what a proxy of ours wrote counts. Each proxy appends the address it
was asked from, so the list is read from its end for as long as the hops are trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import web

Network = IPv4Network | IPv6Network

_MOST_HOPS: Final = 20


def client(request: web.BaseRequest, trusted: Sequence[Network]) -> str:
    """The address of the client behind our proxies; without them the other end, "" if unknown."""
    peer = _address(request.remote or "")
    if peer is None or not _is_in(peer, trusted):
        return str(peer) if peer else ""
    found = peer
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    for hop in reversed(hops[-_MOST_HOPS:]):
        address = _address(hop)
        if address is None:
            break
        found = address
        if not _is_in(address, trusted):
            break
    return str(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, perhaps in brackets, with a port or a zone; one mapped into IPv6 is its IPv4 self."""
    said = text.strip()
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        found = ip_address(said.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _is_in(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
