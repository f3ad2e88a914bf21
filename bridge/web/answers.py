"""Answers that every address shares: JSON errors that help the caller and tell an attacker nothing."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

_WORDS = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    408: ("timeout", "The request took too long to arrive."),
    413: ("too_large", "The body is too large."),
}


@web.middleware
async def without_versions(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Says who answers, and not with which versions of what: they tell where to look for weaknesses."""
    answer = await handler(request)
    answer.headers[hdrs.SERVER] = "booking-bridge"
    return answer


def problem(status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer {"error", "message"}."""
    return web.json_response({"error": error, "message": message}, status=status, headers=headers)


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
