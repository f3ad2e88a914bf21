"""The Slack stand-in's HTTP side: reads a request, applies limits and faults, writes the answer.

Source: docs.slack.dev "Using the Slack Web API" (how arguments and tokens are sent, what answers
look like). Nothing here knows what a method does.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bridge.sandbox import slack_chat, slack_conversations, slack_users
from bridge.sandbox.faults import Args, Fault, Faults, Latency, RateLimit, Refuse, spoil
from bridge.sandbox.server import Call
from bridge.sandbox.slack_chat import Body
from bridge.sandbox.slack_hooks import STATUSES, Hooks
from bridge.sandbox.slack_limits import Limits, Meter
from bridge.sandbox.slack_records import Limited
from bridge.sandbox.slack_workspace import SlackError, Workspace

METHODS = {**slack_chat.METHODS, **slack_conversations.METHODS, **slack_users.METHODS}

Write = Callable[[int, Body], web.Response]
"""Makes an answer of a status and a body: JSON for methods, plain text for webhooks."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request: what is asked, about which channel, and how answers to it are written."""

    request: web.Request
    method: str
    args: Args
    channel: str | None
    write: Write


class HttpApi:
    """Answers the requests to one workspace and keeps a record of them.

    `calls_kept` bounds the record (None: all). `on_change` is called after every request.
    """

    def __init__(self, team: Workspace, token: str, limits: Limits | None, calls_kept: int | None) -> None:
        self.team = team
        self.token = token
        self.token_error: str | None = None
        self.hooks = Hooks(team)
        self.faults = Faults()
        self.meter = Meter(limits)
        self.calls: deque[Call] = deque(maxlen=calls_kept)
        self.limited: list[Limited] = []
        self.on_change: Callable[[], None] = lambda: None

    async def method(self, request: web.Request) -> web.Response:
        """Answer `/api/METHOD`."""
        name = request.match_info["method"]
        try:
            args, token = await _arguments(request)
            self._authorise(token)
        except SlackError as error:
            self._note(_Visit(request, name, {}, None, self._json), error.code)
            return self._json(200, _refusal(error))
        channel = self.team.find(str(args.get("channel", "")))
        visit = _Visit(request, name, args, channel.id if channel else None, self._json)
        handler = METHODS.get(name)
        if handler is None:
            self._note(visit, "unknown_method")
            return self._json(200, {"ok": False, "error": "unknown_method", "req_method": name})
        return await self._serve(visit, lambda: handler(self.team, args))

    async def webhook(self, request: web.Request) -> web.Response:
        """Answer an incoming webhook's address."""
        body = await request.read()
        try:
            hook = self.hooks.at(request.path)
            payload = self.hooks.read(body, request.content_type)
        except SlackError as error:
            self._note(_Visit(request, "webhook", {}, None, _plain), error.code)
            return _plain(200, _refusal(error))

        def act() -> Body:
            message = self.hooks.post(hook, payload)
            return {"channel": message.channel_id, "ts": message.ts}

        args = {**payload, "webhook": hook.name}
        return await self._serve(_Visit(request, "webhook", args, hook.channel.id, _plain), act)

    async def _serve(self, visit: _Visit, act: Callable[[], Body]) -> web.Response:
        refusal = self.meter.refuse(visit.method, visit.channel)
        if refusal is not None:
            return self._limit(visit, refusal.reason, RateLimit(refusal.retry_after))
        fault = self.faults.take(visit.method, visit.args)
        if isinstance(fault, Latency):
            await asyncio.sleep(fault.seconds)
            fault = None
        if fault is not None and not fault.accepted:
            return await self._fail(visit, fault, None)
        try:
            body = {"ok": True, **act()}
        except SlackError as error:
            self._note(visit, error.code)
            return visit.write(200, _refusal(error))
        if fault is not None:
            return await self._fail(visit, fault, body)
        self._note(visit, "ok", body)
        return visit.write(200, body)

    async def _fail(self, visit: _Visit, fault: Fault, body: Body | None) -> web.Response:
        """Answer as the fault says; `body` is what would have been answered, if anything was done."""
        if isinstance(fault, RateLimit):
            self.meter.shut(visit.method, fault.retry_after)
            return self._limit(visit, "fault", fault, body)
        if isinstance(fault, Refuse):
            self._note(visit, fault.code, body)
            return visit.write(200, _refusal(SlackError(fault.code, **fault.details)))
        self._note(visit, type(fault).__name__, body)
        return await spoil(fault, visit.request, visit.write(200, body) if body is not None else None)

    def _limit(self, visit: _Visit, reason: str, limit: RateLimit, body: Body | None = None) -> web.Response:
        self.limited.append(Limited(visit.method, time.time(), reason, limit.retry_after, visit.channel))
        self._note(visit, "ratelimited", body)
        response = visit.write(429, {"ok": False, "error": "ratelimited"})
        if limit.header:
            response.headers["Retry-After"] = str(limit.retry_after)
        return response

    def _note(self, visit: _Visit, outcome: str, body: Body | None = None) -> None:
        where = body or {}
        channel = where.get("channel")
        name = channel if isinstance(channel, str) else None
        self.calls.append(Call(visit.method, time.time(), visit.args, outcome, name, where.get("ts")))
        self.on_change()

    def _authorise(self, token: str | None) -> None:
        if not token:
            raise SlackError("not_authed")
        if token != self.token:
            raise SlackError("invalid_auth")
        if self.token_error is not None:
            raise SlackError(self.token_error)

    def _json(self, status: int, body: Body) -> web.Response:
        return web.Response(
            status=status,
            body=json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "x-oauth-scopes": ",".join(self.team.scopes),
            },
        )


def _refusal(error: SlackError) -> Body:
    return {"ok": False, "error": error.code, **error.details}


def _plain(status: int, body: Body) -> web.Response:
    if body["ok"]:
        return web.Response(text="ok", content_type="text/html")
    code = str(body["error"])
    return web.Response(status=status if status != 200 else STATUSES.get(code, 400), text=code)


async def _arguments(request: web.Request) -> tuple[Mapping[str, Any], str | None]:
    """Return a call's arguments, from query, form or JSON, and its token apart."""
    args: dict[str, Any] = dict(request.query)
    body = await request.read()
    if body and request.content_type == "application/json":
        try:
            given = json.loads(body)
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(given, dict):
            raise SlackError("json_not_object")
        args.update(given)
    elif body and request.content_type == "application/x-www-form-urlencoded":
        args.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    elif body:
        raise SlackError("invalid_post_type")
    token = args.pop("token", None)
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return args, bearer.strip() if scheme.lower() == "bearer" else token
