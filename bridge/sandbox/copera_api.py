"""Copera's read API over HTTP: GET only, under /public/v1.

Sources: the vendor's guides on bookings, authentication, pagination, errors and the workspace
directory. Ours: what a cursor is made of (no caller may look), that `from` and `to` include
their own instant, and the key under which /booking-types lists (`types_key`, None for a bare list).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bridge.sandbox.copera_calendar import STATUSES, Booking, Calendar
from bridge.sandbox.faults import (
    Args,
    Fault,
    Faults,
    Latency,
    RateLimit,
    Refuse,
    RepeatedCursor,
    ShortPage,
    spoil,
)
from bridge.sandbox.server import Call

BASE = "/public/v1"
BOOKINGS = "/bookings"
BOOKING = "/bookings/{uid}"
TYPES = "/booking-types"
MEMBERS = "/workspace/members"

ACCESS = "access_bookings"

Body = dict[str, Any]


class ApiError(Exception):
    """An HTTP status with Copera's error body."""

    def __init__(self, status: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        reason = HTTPStatus(status).phrase
        self.body = {"statusCode": status, "error": reason, "message": message, **details}


class Api:
    """Answers the read API's requests. `tokens` maps each valid token to its scopes."""

    def __init__(self, calendar: Calendar, calls_kept: int | None) -> None:
        self.calendar = calendar
        self.tokens: dict[str, frozenset[str]] = {}
        self.members_refusal = 403
        self.types_key: str | None = "bookingTypes"
        self.faults = Faults()
        self.calls: deque[Call] = deque(maxlen=calls_kept)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        handlers = {
            BOOKINGS: self._bookings,
            BOOKING: self._booking,
            TYPES: self._types,
            MEMBERS: self._members,
        }
        return [web.get(BASE + path, self._route(path, handler)) for path, handler in handlers.items()]

    def _route(self, path: str, handler: Callable[[Args], Any]) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.Response:
            args = {**request.query, **request.match_info}
            fault = self.faults.take(path, args)
            if isinstance(fault, Latency):
                await asyncio.sleep(fault.seconds)
                fault = None
            if fault is not None and not fault.accepted:
                return await self._fail(request, path, args, fault)
            try:
                self._authorise(request, path)
                body = handler(args)
            except ApiError as error:
                self._note(path, args, str(error.status))
                return web.json_response(error.body, status=error.status)
            if fault is not None:
                return await self._distort(request, path, args, fault, body)
            self._note(path, args, "ok")
            return web.json_response(body)

        return serve

    async def _fail(self, request: web.Request, path: str, args: Args, fault: Fault) -> web.Response:
        self._note(path, args, type(fault).__name__)
        if isinstance(fault, RateLimit):
            error = ApiError(429, "Too many requests", retryAfter=fault.retry_after)
            headers = {"Retry-After": str(fault.retry_after)} if fault.header else {}
            return web.json_response(error.body, status=429, headers=headers)
        if isinstance(fault, Refuse):
            error = ApiError(int(fault.code), "as ordered", **fault.details)
            return web.json_response(error.body, status=error.status)
        return await spoil(fault, request, None)

    async def _distort(
        self, request: web.Request, path: str, args: Args, fault: Fault, body: Any
    ) -> web.Response:
        self._note(path, args, type(fault).__name__)
        match fault:
            case ShortPage():
                body = {"bookings": body["bookings"][: fault.keep], "nextCursor": None, "hasMore": False}
            case RepeatedCursor():
                body = {**body, "nextCursor": args.get("cursor") or cursor(1 << 60), "hasMore": True}
            case _:
                return await spoil(fault, request, web.json_response(body))
        return web.json_response(body)

    def _note(self, path: str, args: Args, outcome: str) -> None:
        self.calls.append(Call(path, time.time(), args, outcome))

    def _authorise(self, request: web.Request, path: str) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scopes = self.tokens.get(token.strip())
        if scheme.lower() != "bearer" or scopes is None:
            raise ApiError(401, "Invalid or expired token")
        if path == MEMBERS:
            if token.startswith("cp_key_"):
                raise ApiError(self.members_refusal, "Integration keys cannot read the workspace directory")
        elif ACCESS not in scopes:
            raise ApiError(403, f"Missing scope: {ACCESS}")

    def _bookings(self, args: Args) -> Body:
        limit = whole(args, "limit", 25, 1, 100)
        fits = _filter(args)
        before = _position(args["cursor"]) if args.get("cursor") else None
        found: list[Body] = []
        last = 0
        for number, booking in self.calendar.newest_first(before):
            if fits(booking):
                if len(found) == limit:
                    return {"bookings": found, "nextCursor": cursor(last), "hasMore": True}
                found.append(booking.as_json())
                last = number
        return {"bookings": found, "nextCursor": None, "hasMore": False}

    def _booking(self, args: Args) -> Body:
        booking = self.calendar.bookings.get(args["uid"])
        if booking is None:
            raise ApiError(404, "Booking not found")
        return booking.as_json()

    def _types(self, args: Args) -> Body | list[Body]:
        listed = [kind.as_json() for kind in self.calendar.types.values()]
        return {self.types_key: listed} if self.types_key else listed

    def _members(self, args: Args) -> Body:
        limit = whole(args, "limit", 100, 1, 500)
        offset = whole(args, "offset", 0, 0, 1 << 31)
        wanted = str(args.get("q", "")).lower()
        found = [
            member.as_json()
            for member in self.calendar.members.values()
            if wanted in member.name.lower() or wanted in member.email.lower()
        ]
        page = found[offset : offset + limit]
        return {"members": page, "total": len(found), "limit": limit, "offset": offset}


def whole(args: Args, name: str, default: int, least: int, most: int) -> int:
    """Return a whole number of the query; 400 when it is none or out of range."""
    value = args.get(name)
    if value is None:
        return default
    if not str(value).isdecimal() or not least <= int(value) <= most:
        raise ApiError(400, f"{name} must be an integer between {least} and {most}")
    return int(value)


def cursor(number: int) -> str:
    """Return the opaque cursor for the page after this booking."""
    return base64.urlsafe_b64encode(f"after {number}".encode()).decode()


def _position(text: str) -> int:
    try:
        word, _, number = base64.b64decode(text, altchars=b"-_", validate=True).decode().partition(" ")
    except (binascii.Error, UnicodeDecodeError):
        word, number = "", ""
    if word != "after" or not number.isdecimal():
        raise ApiError(400, "cursor is invalid")
    return int(number)


def _filter(args: Args) -> Callable[[Booking], bool]:
    status, kind = args.get("status"), args.get("bookingTypeId")
    if status is not None and status not in STATUSES:
        raise ApiError(400, f"status must be one of: {', '.join(STATUSES)}")
    first, last = _time(args, "from"), _time(args, "to")
    return lambda booking: (
        (status is None or booking.status == status)
        and (kind is None or booking.type.id == kind)
        and (first is None or booking.start >= first)
        and (last is None or booking.start <= last)
    )


def _time(args: Mapping[str, Any], name: str) -> datetime | None:
    value = args.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ApiError(400, f"{name} must be an ISO-8601 date-time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
