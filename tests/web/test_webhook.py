"""The receiver: what is acknowledged is on disk, what is not ours is refused, and nothing crashes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bridge.core.json_body import canonical
from bridge.core.signature import sign
from bridge.database import Database
from bridge.store.events import Events
from bridge.store.intake import Intake
from bridge.web.answers import errors_as_json
from bridge.web.webhook import LARGEST_BODY, PATH, Webhook
from tests import payloads

SECRET = "first-secret"
NOW = datetime(2026, 7, 6, 9, 0, 5, tzinfo=UTC)

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def events(database: Database) -> Events:
    return Events(database)


@pytest.fixture
async def client(database: Database) -> AsyncIterator[Client]:
    intake = Intake(database)
    running = asyncio.create_task(intake.run())
    webhook = Webhook(
        intake,
        secrets=[SECRET, "second-secret"],
        retention=timedelta(days=30),
        clock=lambda: NOW,
    )
    application = web.Application(client_max_size=LARGEST_BODY, middlewares=[errors_as_json])
    application.add_routes(webhook.routes())
    async with TestClient(TestServer(application)) as opened:
        yield opened
    running.cancel()


async def post(client: Client, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    given = {"X-Copera-Signature": sign(body, SECRET), **headers}
    async with client.post(PATH, data=body, headers=given) as answer:
        return answer.status, await answer.json()


async def test_a_signed_event_is_stored_once(client: Client, events: Events) -> None:
    """202 when stored, 200 when known, also when the same event was serialised anew."""
    body = payloads.body()
    again = json.dumps(json.loads(body), indent=3, sort_keys=True).encode()
    assert (await post(client, body))[0] == 202
    assert (await post(client, body))[0] == 200
    assert (await post(client, again))[0] == 200
    (stored,) = await events.list()
    assert (stored.name, stored.state, stored.booking_id) == ("confirmed", "received", "665f1")
    assert stored.body == body


async def test_any_of_the_secrets_verifies(client: Client) -> None:
    """Secrets can be rotated: the older and the newer one are both taken."""
    body = payloads.body()
    assert (await post(client, body, **{"X-Copera-Signature": sign(body, "second-secret")}))[0] == 202


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        sign(b"another body", SECRET),
        sign(payloads.body(), "wrong-secret"),
        sign(payloads.body(), SECRET).removeprefix("sha256="),
        sign(payloads.body(), SECRET).upper(),
        sign(payloads.body(), SECRET)[:-1],
        sign(payloads.body(), SECRET) + "0",
        "sha256=" + "z" * 64,
        "sha256=" + "é" * 64,
        "sha1=" + "0" * 40,
    ],
)
async def test_a_wrong_signature_is_refused(client: Client, events: Events, header: str | None) -> None:
    """401 whatever is wrong with it, and nothing is stored."""
    headers = {} if header is None else {"X-Copera-Signature": header}
    async with client.post(PATH, data=payloads.body(), headers=headers) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"] == "bad_signature"
    assert await events.list() == []


async def test_a_signature_given_twice_is_refused(client: Client) -> None:
    """Two headers leave open which one counts."""
    body = payloads.body()
    headers = [("X-Copera-Signature", sign(body, SECRET))] * 2
    async with client.post(PATH, data=body, headers=headers) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"event": 5}',
        b'{"event": ""}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"event": "booking.created", "createdAt": NaN}',
        b'{"event": "a", "n": ' + b"9" * 5000 + b"}",
    ],
)
async def test_what_is_no_event_is_refused_and_kept(client: Client, events: Events, body: bytes) -> None:
    """400 for a body that is not JSON or has no event in it, however hostile; it is kept once, as it was."""
    for _ in range(2):
        status, answer = await post(client, body)
        assert (status, answer["error"]) == (400, "not_an_event")
    (stored,) = await events.list(state="unrecognised")
    assert answer["message"] == f"This is not a booking event: {stored.problem}."
    assert (stored.body, stored.name, stored.booking_id, stored.at) == (body, "", "", None)


async def test_what_is_no_event_is_no_other_events_repeat(client: Client, events: Events) -> None:
    """Not even the very bytes that an event's id is made of."""
    body = payloads.body()
    document = json.loads(body)
    digested = canonical([document["event"], document["createdAt"], document["data"]])
    assert (await post(client, digested))[0] == 400
    assert (await post(client, body))[0] == 202
    assert len(await events.list()) == 2


async def test_what_is_not_signed_is_not_kept(client: Client, events: Events) -> None:
    assert (await post(client, b"{", **{"X-Copera-Signature": sign(b"{", "guessed")}))[0] == 401
    assert await events.list() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"event": "booking.exploded"}, "event 'booking.exploded' is not known"),
        ({"createdAt": None}, "createdAt: expected a time such as 2026-07-06T09:00:00.000Z"),
        ({"createdAt": "yesterday"}, "createdAt: expected a time such as 2026-07-06T09:00:00.000Z"),
        ({"data": None}, "data: expected an object, got null"),
        ({"data": {}}, "data.id: expected text, got nothing"),
    ],
)
async def test_what_is_not_understood_is_kept(
    client: Client, events: Events, change: dict[str, Any], problem: str
) -> None:
    """A signed event that this version cannot act on is stored, acknowledged and listed as such."""
    assert (await post(client, payloads.body(**change)))[0] == 202
    (stored,) = await events.list(state="unrecognised")
    assert stored.problem == problem


async def test_an_unknown_version_is_kept(client: Client, events: Events) -> None:
    await post(client, payloads.body(), **{"X-Copera-Webhook-Version": "2"})
    (stored,) = await events.list(state="unrecognised")
    assert stored.problem == "webhook version '2' is not known, only '1'"


async def test_a_body_over_the_limit_is_refused(client: Client) -> None:
    """413 over 256 KiB, told by its length or found while reading; a body of just that size is read."""
    exact = payloads.body(data={"id": "x", "note": ""})
    padded = payloads.body(data={"id": "x", "note": "a" * (LARGEST_BODY - len(exact))})
    assert len(padded) == LARGEST_BODY
    assert (await post(client, padded))[0] == 202
    assert (await post(client, padded + b" "))[0] == 413

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"a" * 32_768

    async with client.post(PATH, data=stream(), headers={"X-Copera-Signature": "sha256="}) as answer:
        assert answer.status == 413


async def test_an_event_older_than_the_retention_is_refused(client: Client) -> None:
    """Its identity may have been forgotten, so it could not be told from a repeat."""
    status, answer = await post(client, payloads.body(createdAt="2026-06-01T00:00:00.000Z"))
    assert (status, answer["error"]) == (400, "too_old")


@pytest.mark.parametrize(("minutes", "is_told"), [(59, False), (61, True)])
async def test_an_event_from_the_future_is_kept_and_told(client: Client, minutes: int, is_told: bool) -> None:
    """It overrules what comes after it, so the log says why an older one will be superseded."""
    at = (NOW + timedelta(minutes=minutes)).isoformat()
    with structlog.testing.capture_logs() as said:
        assert (await post(client, payloads.body(createdAt=at)))[0] == 202
    told = [line for line in said if line["event"] == "event.from_the_future"]
    assert [line["booking"] for line in told] == (["665f1"] if is_told else [])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_say_what_the_address_is_for(client: Client, method: str) -> None:
    async with client.request(method, PATH) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
        assert "Copera" in (await answer.json())["message"]


async def test_without_the_database_upstream_is_asked_to_repeat(client: Client, database: Database) -> None:
    """503, so that Copera tries again: an event is never acknowledged that is not on disk."""
    await database.close()
    async with database.write() as connection:
        await connection.exec_driver_sql("DROP TABLE deliveries")
        await connection.exec_driver_sql("DROP TABLE events")
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            status, answer = await post(client, payloads.body())
            assert (status, answer["error"]) == (503, "not_stored")
    assert len(lines) < 3  # folded
    status, answer = await post(client, b"no event")
    assert (status, answer["error"]) == (503, "not_stored")
    first = lines[0]
    assert (first["event"], first["log_level"], first["booking"]) == ("event.not_stored", "error", "665f1")


async def test_many_at_once_share_commits_and_none_is_lost(client: Client, events: Events) -> None:
    """200 different events over many connections, each twice: all stored once."""
    bodies = [payloads.body(data={"id": f"b{number}"}) for number in range(200)] * 2
    answers = await asyncio.gather(*(post(client, body) for body in bodies))
    assert sorted(status for status, _ in answers) == [200] * 200 + [202] * 200
    assert len(await events.list(limit=1000)) == 200
