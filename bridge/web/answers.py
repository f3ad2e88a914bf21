"""Answers that every address shares: JSON errors that help the caller and tell an attacker nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

NAME: Final = "booking-bridge"
"""What answers call who gives them; no version, which would tell where to look for weaknesses."""

_WORDS = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    408: ("timeout", "The request took too long to arrive."),
    413: ("too_large", "The body is too large."),
}


def problem(status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer {"error", "message"}."""
    return web.json_response({"error": error, "message": message}, status=status, headers=headers)


class _Ready(web.StreamResponse):
    """A short JSON answer, written in one step, on an HTTP/1.1 connection that stays open.

    aiohttp's own answer takes a dozen steps, which together cost as much as an event's signature does.
    """

    def __init__(self, status: int, said: bytes) -> None:
        super().__init__(status=status)
        self._said = said

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write all of it (RFC 9112, section 2.1). Raises ConnectionResetError when nobody is there."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        self._writer = request.writer
        head = _head(self.status, int(time.time()))
        transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(self._said), self._said))

    async def write_eof(self, data: bytes = b"") -> None:
        """It is written; wait for a client that does not read."""
        await self._writer.drain()


@lru_cache(maxsize=8)
def _head(status: int, now: int) -> bytes:
    """What answers of this status in this second (since 1970) have in common."""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        f"Date: {formatdate(now, usegmt=True)}\r\nServer: {NAME}\r\n"
    ).encode()


def ready(request: web.BaseRequest, status: int, said: bytes) -> web.StreamResponse:
    """An answer of JSON that is written already, at the least cost that the connection allows."""
    if request.keep_alive and request.version == HttpVersion11:
        return _Ready(status, said)
    return web.Response(status=status, body=said, content_type="application/json")


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """aiohttp's own errors in the same form as ours."""
    try:
        return await handler(request)
    except web.HTTPException as raised:
        if raised.status < 400:
            raise
        error, message = _WORDS.get(raised.status, (f"http_{raised.status}", raised.reason))
        allow = raised.headers.get("Allow")
        return problem(raised.status, error, message, {"Allow": allow} if allow else None)
