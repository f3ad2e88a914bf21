"""Webhooks: what happens to a booking, how it is told, signed and tried again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.core.signature import sign
from bridge.sandbox.copera import SECRET, CoperaStandIn

NOW = datetime(2026, 7, 6, 9, tzinfo=UTC)
ALICE = {"name": "Alice Booker", "email": "alice@example.com"}


@dataclass
class Inbox:
    """A receiver that answers the given statuses in turn, then 202."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Keep headers and body."""
        self.received.append((dict(request.headers), await request.read()))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 202)

    @property
    def events(self) -> list[str]:
        """The events received."""
        return [json.loads(body)["event"] for _, body in self.received]


@pytest.fixture
async def inbox(copera: CoperaStandIn) -> AsyncIterator[Inbox]:
    """A receiver that is subscribed."""
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/webhooks/copera", inbox.take)
    async with TestServer(app) as server:
        inbox.url = str(server.make_url("/webhooks/copera"))
        copera.subscribe(inbox.url, first_wait=0.01, timeout=30)
        yield inbox


async def test_a_webhook_is_signed_over_its_bytes(copera: CoperaStandIn, inbox: Inbox) -> None:
    """Event, version and signature stand in the headers; the body has event, time and data."""
    sent = copera.calendar.create("Intro Call", start=NOW, booker=ALICE, pending=True)
    [receipt] = await copera.send(sent)
    headers, body = inbox.received[0]
    assert receipt.acknowledged
    assert headers["X-Copera-Event"] == "booking.created"
    assert headers["X-Copera-Webhook-Version"] == "1"
    assert headers["X-Copera-Signature"] == sign(body, SECRET)
    told = json.loads(body)
    assert set(told) == {"event", "createdAt", "data"}
    assert (told["data"]["status"], "uid" in told["data"]) == ("PENDING", False)


async def test_the_life_of_a_booking(copera: CoperaStandIn) -> None:
    """Each operation changes the state and returns what Copera would tell, later than the one before."""
    calendar = copera.calendar
    uid = calendar.create("Support session", start=NOW, booker=ALICE, pending=True).uid
    other = calendar.type("Support session").hosts[1]
    told = [
        calendar.confirm(uid),
        calendar.reschedule(uid, NOW + timedelta(hours=1)),
        calendar.reassign(uid, [other]),
        calendar.no_show(uid),
        calendar.cancel(uid),
        calendar.decline(uid),
    ]
    assert [envelope.event.removeprefix("booking.") for envelope in told] == [
        "confirmed",
        "rescheduled",
        "reassigned",
        "no_show",
        "cancelled",
        "declined",
    ]
    assert [envelope.data["status"] for envelope in told] == ["CONFIRMED"] * 4 + ["CANCELLED", "DECLINED"]
    assert told[1].data["start"] == "2026-07-06T10:00:00.000Z"
    assert told[2].data["hosts"] == [{"userId": other, "role": "ORGANIZER"}]
    times = [envelope.created_at for envelope in told]
    assert times == sorted(set(times))


async def test_three_attempts_and_no_more(copera: CoperaStandIn, inbox: Inbox) -> None:
    """A 5xx is tried again, a 4xx never, a third failure is the last."""
    sent = copera.calendar.create("Intro Call", start=NOW, booker=ALICE)
    for statuses, expected in (([503, 202], (503, 202)), ([400], (400,)), ([500] * 4, (500, 500, 500))):
        inbox.statuses[:] = statuses
        [receipt] = await copera.send(sent)
        assert receipt.statuses == expected
    assert [receipt.acknowledged for receipt in copera.receipts] == [True, False, False]


async def test_nobody_there(copera: CoperaStandIn) -> None:
    """A refused connection and a silent receiver are attempts without a status."""
    copera.subscribe("http://127.0.0.1:1/", first_wait=0.01)

    async def never(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", never)
    async with TestServer(app) as server:
        copera.subscribe(str(server.make_url("/")), first_wait=0.01, timeout=0.05)
        receipts = await copera.send(copera.calendar.create("Intro Call", start=NOW, booker=ALICE))
        assert [receipt.statuses for receipt in receipts] == [(None, None, None)] * 2


async def test_copies_order_and_choice(copera: CoperaStandIn, inbox: Inbox) -> None:
    """Webhooks may come twice, in another order, many at once, or not at all."""
    calendar = copera.calendar
    told = [calendar.create("Intro Call", start=NOW, booker=ALICE)]
    told += [calendar.confirm(told[0].uid), calendar.cancel(told[0].uid)]
    await copera.send(told[0], copies=2)
    assert inbox.events == ["booking.created"] * 2
    await copera.send_all(told, shuffle=1)
    assert sorted(inbox.events[2:]) == ["booking.cancelled", "booking.confirmed", "booking.created"]
    assert inbox.events[2:] != [envelope.event for envelope in told]
    await copera.send_all([calendar.confirm(told[0].uid) for _ in range(50)], at_once=8)
    assert len(inbox.received) == 55
    copera.unsubscribe()
    copera.subscribe(inbox.url, events=["booking.cancelled"])
    await copera.send_all(told)
    assert inbox.events[55:] == ["booking.cancelled"]
