"""Trouble on order: what a stand-in can be told to do wrong, and for which calls.

A fault with `accepted=True` strikes after the stand-in has done its work (the message is stored),
so the caller cannot know; otherwise the call leaves no trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from aiohttp import web

Args = Mapping[str, Any]
Match = Callable[[Args], bool]

ANY = "*"
"""The name that stands for every call."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The service's own error: a Slack code, or for Copera an HTTP status as text."""

    code: str
    details: Mapping[str, Any] = field(default_factory=dict)
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """An answer that is not the service's: a proxy's 502, a maintenance page, `200 text/plain`."""

    status: int = 500
    body: str = "<html><body>Internal Server Error</body></html>"
    content_type: str = "text/html"
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class RateLimit:
    """HTTP 429 that asks for `retry_after` seconds; with `header=False` nothing says how long."""

    retry_after: int = 1
    header: bool = True
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection closes without an answer."""

    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Silence for so many seconds, then the usual answer (or none, when nothing was accepted)."""

    seconds: float = 60.0
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class BrokenJson:
    """Status 200 with the first half of the answer."""

    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Latency:
    """The usual answer, so many seconds later."""

    seconds: float = 0.1
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class ShortPage:
    """Copera: a listing that stops after `keep` bookings and claims that there are no more."""

    keep: int = 0
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class RepeatedCursor:
    """Copera: a page whose `nextCursor` leads to the same page again."""

    accepted: bool = True


Fault = Refuse | Status | RateLimit | Drop | Hang | BrokenJson | Latency | ShortPage | RepeatedCursor

KINDS: Mapping[str, type[Fault]] = {
    "refuse": Refuse,
    "status": Status,
    "rate_limit": RateLimit,
    "drop": Drop,
    "hang": Hang,
    "broken_json": BrokenJson,
    "latency": Latency,
    "short_page": ShortPage,
    "repeated_cursor": RepeatedCursor,
}
"""What the control surface calls the faults."""


def read(data: Args) -> Fault:
    """Return the fault that `{"kind": "drop", "accepted": true}` describes; raise ValueError for nonsense."""
    kind = KINDS.get(str(data.get("kind")))
    if kind is None:
        raise ValueError(f"no fault {data.get('kind')!r}; known: {', '.join(KINDS)}")
    options = {key: value for key, value in data.items() if key != "kind"}
    unknown = options.keys() - {part.name for part in fields(kind)}
    if unknown:
        raise ValueError(f"{data['kind']} has no {', '.join(sorted(unknown))}")
    return kind(**options)


def matching(wanted: Args) -> Match:
    """Return a match for calls whose arguments include all of these."""
    return lambda args: all(args.get(key) == value for key, value in wanted.items())


@dataclass(slots=True)
class _Order:
    name: str
    fault: Fault
    left: int | None
    match: Match | None

    def takes(self, name: str, args: Args) -> bool:
        return self.name in (ANY, name) and (self.match is None or self.match(args))


class Faults:
    """The faults ordered so far. An order for some calls goes before the standing fault for all."""

    def __init__(self) -> None:
        self.standing: Fault | None = None
        self._orders: list[_Order] = []

    def order(self, name: str, fault: Fault, times: int | None = 1, match: Match | None = None) -> None:
        """Let the next `times` calls of this name fail (None: every one, until `clear`)."""
        self._orders.append(_Order(name, fault, times, match))

    def clear(self) -> None:
        """Forget every order and the standing fault."""
        self.standing = None
        self._orders.clear()

    def take(self, name: str, args: Args) -> Fault | None:
        """Return the fault for this call, used up by one; None when it may succeed."""
        for order in self._orders:
            if order.takes(name, args):
                if order.left is not None:
                    order.left -= 1
                    if order.left <= 0:
                        self._orders.remove(order)
                return order.fault
        return self.standing


async def spoil(fault: Fault, request: web.Request, answer: web.Response | None) -> web.Response:
    """Return what the caller gets instead of `answer` (None: the call was not carried out)."""
    match fault:
        case Status():
            return web.Response(status=fault.status, text=fault.body, content_type=fault.content_type)
        case BrokenJson():
            whole = (
                answer.body if answer is not None and isinstance(answer.body, bytes) else b'{"ok": true, "a'
            )
            return web.Response(body=whole[: len(whole) // 2], content_type="application/json")
        case Hang():
            await asyncio.sleep(fault.seconds)
            return answer if answer is not None else hang_up(request)
        case _:
            return hang_up(request)


def hang_up(request: web.Request) -> web.Response:
    """Close the connection; what is returned is never seen."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
