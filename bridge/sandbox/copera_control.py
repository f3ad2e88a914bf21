"""The Copera stand-in's control surface, for tests in other processes.

| POST `/_control/…` | body |
|---|---|
| `create` | `{"type", "start", "booker"}` and any of `pending hosts uid answers guests location zone` |
| `confirm`, `cancel`, `decline`, `no_show` | `{"uid"}` |
| `reschedule` · `reassign` | `{"uid", "start"}` · `{"uid", "hosts": [...]}` |
| `subscribe` | `{"url", "secret", "events": [], "first_wait", "timeout"}` |
| `member` · `type` | `{"name", "email", "id"}` · `{"title", "kind", "hosts", "minutes"}` |
| `load` | `{"count", "seed"}` |
| `token` | `{"token", "scopes": [...]}`, or `{"token", "expired": true}` |
| `fail` | `{"path": "/bookings", "fault": {"kind": "status", "status": 503}, "times": 1}` |
| `clear` | `{}`: no more faults |

What changes a booking answers `{"uid", "envelope", "statuses"}` once its webhook was sent, and takes
`"copies"`, `"delay"` and `"withhold": true` beside. `GET /_control/bookings`, `/_control/receipts`
and `/_control/calls` answer lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bridge.sandbox import faults
from bridge.sandbox.copera_calendar import Envelope

if TYPE_CHECKING:
    from bridge.sandbox.copera import CoperaStandIn

Order = dict[str, Any]


def routes(copera: CoperaStandIn) -> list[web.RouteDef]:
    """Return the control surface's routes."""

    async def order(request: web.Request) -> web.Response:
        name = request.match_info["order"]
        act = ORDERS.get(name)
        happen = EVENTS.get(name)
        try:
            body = json.loads(await request.read() or b"{}")
            if happen is not None:
                return web.json_response(await _happened(copera, happen(copera, body), body))
            if act is not None:
                return web.json_response(act(copera, body) or {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({"error": f"known: {', '.join([*EVENTS, *ORDERS])}"}, status=404)

    async def view(request: web.Request) -> web.Response:
        look = VIEWS.get(request.match_info["view"])
        if look is None:
            return web.json_response({"error": f"known: {', '.join(VIEWS)}"}, status=404)
        return web.json_response(look(copera))

    return [web.post("/_control/{order}", order), web.get("/_control/{view}", view)]


async def _happened(copera: CoperaStandIn, envelope: Envelope, body: Order) -> Order:
    answer: Order = {"uid": envelope.uid, "envelope": envelope.payload, "statuses": []}
    if not body.get("withhold"):
        receipts = await copera.send(envelope, copies=body.get("copies", 1), delay=body.get("delay", 0.0))
        answer["statuses"] = [list(receipt.statuses) for receipt in receipts]
    return answer


def _start(body: Order) -> datetime:
    start = datetime.fromisoformat(body["start"])
    if start.tzinfo is None:
        raise ValueError("start needs a time zone")
    return start


def _create(copera: CoperaStandIn, body: Order) -> Envelope:
    rest = {key: body[key] for key in ("location", "zone", "minutes") if key in body}
    return copera.calendar.create(
        body["type"],
        start=_start(body),
        booker=body["booker"],
        pending=bool(body.get("pending")),
        hosts=body.get("hosts", ()),
        uid=body.get("uid", ""),
        guests=tuple(body.get("guests", ())),
        answers=tuple(body.get("answers", ())),
        **rest,
    )


def _token(copera: CoperaStandIn, body: Order) -> None:
    if body.get("expired"):
        copera.expire_token(body["token"])
    else:
        copera.add_token(body["token"], body["scopes"])


def _fail(copera: CoperaStandIn, body: Order) -> None:
    match = faults.matching(body["match"]) if body.get("match") else None
    copera.fail_next(faults.read(body["fault"]), body.get("path", faults.ANY), body.get("times", 1), match)


def _member(copera: CoperaStandIn, body: Order) -> Order:
    member = copera.calendar.add_member(body["name"], body["email"], member_id=body.get("id", ""))
    return member.as_json()


def _type(copera: CoperaStandIn, body: Order) -> Order:
    return copera.calendar.add_type(**body).as_json()


EVENTS: dict[str, Callable[[CoperaStandIn, Any], Envelope]] = {
    "create": _create,
    "confirm": lambda copera, body: copera.calendar.confirm(body["uid"]),
    "cancel": lambda copera, body: copera.calendar.cancel(body["uid"]),
    "decline": lambda copera, body: copera.calendar.decline(body["uid"]),
    "no_show": lambda copera, body: copera.calendar.no_show(body["uid"]),
    "reschedule": lambda copera, body: copera.calendar.reschedule(body["uid"], _start(body)),
    "reassign": lambda copera, body: copera.calendar.reassign(body["uid"], body["hosts"]),
}

ORDERS: dict[str, Callable[[CoperaStandIn, Any], Order | None]] = {
    "subscribe": lambda copera, body: copera.subscribe(**body),
    "member": _member,
    "type": _type,
    "load": lambda copera, body: {"uids": copera.load(body["count"], seed=body.get("seed", 1))},
    "token": _token,
    "fail": _fail,
    "clear": lambda copera, body: copera.clear_faults(),
}

VIEWS: dict[str, Callable[[CoperaStandIn], Any]] = {
    "bookings": lambda copera: [booking.as_json() for _, booking in copera.calendar.newest_first()],
    "receipts": lambda copera: [
        {"envelope": receipt.envelope.payload, "statuses": list(receipt.statuses)}
        for receipt in copera.receipts
    ],
    "calls": lambda copera: [asdict(call) for call in copera.calls],
}
