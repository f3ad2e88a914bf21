"""What aiohttp's server leaves to its user: how long and how much one connection, and all, may hold.

Measured on aiohttp 3.14. It refuses malformed heads, smuggled lengths and over-long fields, and reads no
more than 32 pipelined requests ahead. It lets a client take an hour over a head of 2 MB, never ends a
client that does not read its answer, sets no bound on connections, logs each malformed request as an error
with a traceback, repeats it in its answer, and names its version and Python's in each. This module adds just
that: here what a connection may hold, in `web.runner` what is said and logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import hdrs, web

from bridge.web.answers import NAME, problem

Answering = Callable[[Any], Awaitable[web.StreamResponse]]
"""Answers a `web.BaseRequest`, or the `web.Request` of an application."""

_LOOK: Final = 1.0
_PARTING: Final = 1.0
_CLOSING: Final = f"Server: {NAME}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TIMEOUT: Final = f"HTTP/1.1 408 Request Timeout\r\n{_CLOSING}".encode()
_FULL: Final = f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n{_CLOSING}".encode()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds for a whole request head and for an answer that is not read; connections; bytes.

    `kept` is how long an unused connection stays open: longer than proxies keep theirs (600 seconds is the
    longest that a common one does), so that none sends a webhook into a connection that is being closed.
    `held` bounds the bytes received on all connections together that no answer has been given to.
    """

    head: float = 10.0
    unread: float = 30.0
    kept: float = 620.0
    connections: int = 1_000
    held: int = 32 * 2**20


class Connections:
    """Watches all connections of one server."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:
        self.bounds = bounds
        self.held = 0
        self._guards: dict[asyncio.BaseTransport, Guard] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._guards)

    def admit(self, transport: asyncio.Transport, guard: Guard) -> bool:
        """Whether there is room; when full, the connection that does least has to go."""
        if len(self._guards) >= self.bounds.connections:
            idle = [one for one in self._guards.values() if not one.busy]
            if not idle:
                return False
            min(idle, key=lambda one: (one.served, one.since)).end(b"")
        self._guards[transport] = guard
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)
        return True

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection."""
        guard = self._guards.pop(transport, None)
        if guard is not None:
            self.release(guard)

    def hold(self, guard: Guard, size: int) -> bool:
        """Note bytes of a request; over the bound the greediest connection ends. False: it was this one."""
        guard.held += size
        self.held += size
        if self.held <= self.bounds.held:
            return True
        greediest = max(self._guards.values(), key=lambda one: one.held)
        greediest.end(b"")
        return greediest is not guard

    def release(self, guard: Guard) -> None:
        """What a connection sent is dealt with."""
        self.held -= guard.held
        guard.held = 0

    def _look(self) -> None:
        now = time.monotonic()
        for guard in list(self._guards.values()):
            if guard.deadline and now > guard.deadline:
                guard.end(_TIMEOUT if guard.held and not guard.blocked else b"")
            elif guard.is_over(now):
                guard.end(b"")
        again = asyncio.get_running_loop().call_later(_LOOK, self._look) if self._guards else None
        self._timer = again

    async def answer(self, request: web.BaseRequest, answering: Answering) -> web.StreamResponse:
        """Outermost of all: marks the connection as at work, refuses what nobody else should see."""
        transport = request.transport
        guard = self._guards.get(transport) if transport else None
        if guard is not None:
            guard.begin(request)
        try:
            coding = request.headers.get(hdrs.CONTENT_ENCODING)
            if coding and coding.lower() != "identity":
                message = "Send the body as it is, without compression."
                return problem(415, "compressed", message, {"Accept-Encoding": "identity"})
            return await answering(request)
        except (web.RequestPayloadError, ConnectionResetError) as trouble:
            # The body's stream keeps it, and its traceback all that was read and the stream: a circle.
            trouble.__traceback__ = None
            if request.transport is None or request.transport.is_closing():
                return web.Response(status=400)  # nobody is there to read it
            return problem(400, "bad_request", "The body cannot be read.", {"Connection": "close"})
        finally:
            if guard is not None:
                guard.finish()


class Guard(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol for it, and passes everything on."""

    __slots__ = (
        "_connections", "_inner", "_request", "_transport",
        "blocked", "busy", "deadline", "ended", "held", "served", "since",
    )  # fmt: skip

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._request: web.BaseRequest | None = None
        self.busy = False
        self.blocked = False
        self.ended = False
        self.served = False
        self.held = 0
        self.since = self.deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        opened = cast("asyncio.Transport", transport)
        if not self._connections.admit(opened, self):
            opened.write(_FULL)
            opened.close()
            return
        self._transport = opened
        self.since = time.monotonic()
        self.deadline = self.since + self._connections.bounds.head
        self._inner.connection_made(opened)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if not self.busy and not self.deadline:
            self.deadline = time.monotonic() + self._connections.bounds.head
        if self._connections.hold(self, len(data)):
            self._inner.data_received(data)

    def begin(self, request: web.BaseRequest) -> None:
        """A request's head is whole and a handler has it."""
        self._request = request
        self.busy = self.served = True
        self.since = time.monotonic()
        if not self.blocked:
            self.deadline = 0.0
        if self.ended and not request.content.is_eof():
            self.end(b"")  # the rest of the body will not come

    def finish(self) -> None:
        """A handler has answered; the answer is not written yet."""
        self.busy = False
        self._request = None
        self._connections.release(self)
        self.since = time.monotonic()
        if self.ended and not self.blocked:
            self.deadline = self.since + self._connections.bounds.unread

    def is_over(self, now: float) -> bool:
        """Whether the client has said all it had to say, and has heard all."""
        if not self.ended or self.busy or self.held or self._transport is None:
            return False
        return now - self.since > _PARTING and not self._transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        """The client does not read its answer: it has so long to begin."""
        self.blocked = True
        self.deadline = time.monotonic() + self._connections.bounds.unread
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self.blocked = False
        self.deadline = time.monotonic() + self._connections.bounds.unread if self.ended else 0.0
        self._inner.resume_writing()

    def eof_received(self) -> bool | None:
        """The client has closed its half: true when it may still wait for an answer."""
        if self._transport is None:
            return None
        self._inner.eof_received()
        self.ended = True
        return self._request.content.is_eof() if self._request else self.held > 0

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is None:
            return
        self._connections.leave(self._transport)
        self._transport = None
        self._inner.connection_lost(exc)

    def end(self, answer: bytes) -> None:
        """Close the connection: with an answer if the client may still read one, else at once."""
        if self._transport is None:
            return
        self._connections.leave(self._transport)
        self.deadline = 0.0
        if answer:
            self._transport.write(answer)
            self._transport.close()
        else:
            self._transport.abort()
