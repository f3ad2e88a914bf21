"""The Slack stand-in's control surface, for tests in other processes.

| POST `/_control/…` | body |
|---|---|
| `fail` | `{"method", "fault": {"kind": "drop", "accepted": true}, "times": 1, "match": {"channel": "C…"}}` |
| `clear` | `{}`: no more faults |
| `user` | `{"name", "email", "id", "deleted"}`: add or replace |
| `channel` | `{"name", "id", "private", "archived", "is_member"}`: add or change |
| `webhook` | `{"name", "channel"}`: answers `{"url"}` |
| `delete_message` | `{"channel", "ts"}`: as a person |
| `say` | `{"channel", "user", "text", "thread_ts"}`: as a person |
| `token` | `{"error": "token_revoked"}`, or null to accept it again |
| `scopes` | `{"scopes": [...]}` |
| `limits` | `{"channel_rate", "channel_burst", "workspace_rate", "tiers"}`, or null for none |

`GET /_control/messages?channel=#name&deleted=1`, `/_control/calls?method=…`, `/_control/limited` and
`/_control/state` answer JSON with the fields of `slack_records`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bridge.sandbox import faults
from bridge.sandbox.slack_limits import Limits

if TYPE_CHECKING:
    from bridge.sandbox.slack import SlackStandIn

Order = dict[str, Any]


def routes(slack: SlackStandIn) -> list[web.RouteDef]:
    """Return the control surface's routes."""

    async def order(request: web.Request) -> web.Response:
        act = ORDERS.get(request.match_info["order"])
        if act is None:
            return web.json_response({"error": f"known: {', '.join(ORDERS)}"}, status=404)
        try:
            body = json.loads(await request.read() or b"{}")
            return web.json_response(act(slack, body) or {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    async def view(request: web.Request) -> web.Response:
        look = VIEWS.get(request.match_info["view"])
        if look is None:
            return web.json_response({"error": f"known: {', '.join(VIEWS)}"}, status=404)
        return web.json_response(look(slack, dict(request.query)))

    return [web.post("/_control/{order}", order), web.get("/_control/{view}", view)]


def _fail(slack: SlackStandIn, body: Order) -> None:
    match = faults.matching(body["match"]) if body.get("match") else None
    slack.fail_next(body.get("method", faults.ANY), faults.read(body["fault"]), body.get("times", 1), match)


def _user(slack: SlackStandIn, body: Order) -> Order:
    deleted = bool(body.get("deleted"))
    return asdict(slack.add_user(body["name"], body["email"], body.get("id", ""), deleted=deleted))


def _channel(slack: SlackStandIn, body: Order) -> Order:
    name = body["name"]
    channel = slack.workspace.find(name) or slack.add_channel(name, body.get("id", ""))
    channel.private = body.get("private", channel.private)
    channel.archived = body.get("archived", channel.archived)
    channel.is_member = body.get("is_member", channel.is_member)
    return {"id": channel.id, "name": channel.name}


def _say(slack: SlackStandIn, body: Order) -> Order:
    message = slack.say(body["channel"], body["user"], body["text"], body.get("thread_ts"))
    return {"ts": message.ts}


def _token(slack: SlackStandIn, body: Order) -> None:
    if body.get("error"):
        slack.revoke_token(body["error"])
    else:
        slack.restore_token()


def _limits(slack: SlackStandIn, body: Order | None) -> None:
    slack.limits = Limits(**body) if body is not None else None


def _messages(slack: SlackStandIn, query: dict[str, str]) -> Any:
    found = slack.messages(query.get("channel"), deleted=query.get("deleted") == "1")
    return [asdict(message) for message in found]


def _calls(slack: SlackStandIn, query: dict[str, str]) -> Any:
    method = query.get("method")
    return [asdict(call) for call in slack.calls if method in (None, call.method)]


def _state(slack: SlackStandIn, query: dict[str, str]) -> Any:
    channels = {channel.id: channel.label for channel in slack.workspace.channels.values()}
    return {"posted": slack.posted, "violations": slack.violations, "channels": channels}


ORDERS: dict[str, Callable[[SlackStandIn, Any], Order | None]] = {
    "fail": _fail,
    "clear": lambda slack, body: slack.clear_faults(),
    "user": _user,
    "channel": _channel,
    "webhook": lambda slack, body: {"url": slack.webhook_url(body["name"], body.get("channel"))},
    "delete_message": lambda slack, body: slack.delete_message(body["channel"], body["ts"]),
    "say": _say,
    "token": _token,
    "scopes": lambda slack, body: slack.grant(body["scopes"]),
    "limits": _limits,
}

VIEWS: dict[str, Callable[[SlackStandIn, dict[str, str]], Any]] = {
    "messages": _messages,
    "calls": _calls,
    "limited": lambda slack, query: [asdict(limited) for limited in slack.limited],
    "state": _state,
}
