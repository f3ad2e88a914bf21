"""The client of the read API against the stand-in: pages, waits, and errors that help."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.copera import BrokenListing, Copera, CoperaError, Forbidden, Refused, Unauthorised, Unreachable
from bridge.core.sightings import seen
from bridge.sandbox.copera import TOKEN, CoperaStandIn
from bridge.sandbox.copera_api import BOOKINGS, MEMBERS
from bridge.sandbox.faults import BrokenJson, Drop, Fault, RateLimit, Refuse, RepeatedCursor, Status


@pytest.fixture
async def stand_in() -> AsyncIterator[CoperaStandIn]:
    started = CoperaStandIn()
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def copera(stand_in: CoperaStandIn) -> AsyncIterator[Copera]:
    async with Copera(stand_in.api_url, TOKEN, pause=0.01) as client:
        yield client


async def uids(copera: Copera, *args: object, **kwargs: object) -> list[str]:
    return [one.uid async for page in copera.pages(*args, **kwargs) for one in page]  # type: ignore[arg-type]


async def test_all_pages(stand_in: CoperaStandIn, copera: Copera) -> None:
    """Every booking once, a hundred a request, and what it says equals what was booked."""
    loaded = stand_in.load(230)
    assert sorted(await uids(copera)) == sorted(loaded)
    assert [call.args["limit"] for call in stand_in.calls] == ["100"] * 3
    async for page in copera.pages():
        for one in page:
            booking, made = seen(one), stand_in.calendar.bookings[one.uid]
            assert (booking.uid, booking.start, booking.host_ids) == (made.uid, made.start, made.hosts)


async def test_a_window_and_a_type(stand_in: CoperaStandIn, copera: Copera) -> None:
    stand_in.load(100)
    now = datetime.now(UTC)
    kind = stand_in.calendar.type("Intro Call")
    found = await uids(copera, now, now + timedelta(days=20), kind.id)
    made = stand_in.calendar.bookings.values()
    assert sorted(found) == sorted(
        b.uid for b in made if b.type == kind and now <= b.start <= now + timedelta(days=20)
    )


async def test_one_booking(stand_in: CoperaStandIn, copera: Copera) -> None:
    """By its uid; None when there is none, whatever the id looks like."""
    (uid,) = stand_in.load(1)
    found = await copera.booking(uid)
    assert found is not None
    assert found.uid == uid
    for odd in ("nobody", "..", ".", "", "../workspace/members", "a/b?c=d#e", "%2e%2e", "ü", "\r\n"):
        assert await copera.booking(odd) is None
    assert not [call for call in stand_in.calls if call.method == MEMBERS]


@pytest.mark.parametrize("key", ["bookingTypes", "types", "data", None])
async def test_types_under_any_key(stand_in: CoperaStandIn, copera: Copera, key: str | None) -> None:
    """No guide names the key under which booking types are listed."""
    stand_in.load(1)
    stand_in.types_key = key
    assert {kind.title for kind in await copera.types()} == {
        "Intro Call",
        "Panel interview",
        "Support session",
    }


async def test_members(stand_in: CoperaStandIn, copera: Copera) -> None:
    """All of them; a key that may not read them is told so, and reads bookings all the same."""
    for number in range(1201):
        stand_in.calendar.add_member(f"M{number}", f"m{number}@example.com")
    assert len(await copera.members()) == 1201
    stand_in.add_token("cp_key_x")
    async with Copera(stand_in.api_url, "cp_key_x") as other:
        with pytest.raises(Forbidden):
            await other.members()
        stand_in.members_refusal = 401
        with pytest.raises(Unauthorised):
            await other.members()
        assert await uids(other) == []


@pytest.mark.parametrize(
    "fault",
    [
        Status(500),
        Status(502),
        Status(503),
        Drop(),
        BrokenJson(),
        Status(200, "<html>"),
        RateLimit(1, header=False),
    ],
)
async def test_short_troubles_are_waited_out(stand_in: CoperaStandIn, copera: Copera, fault: Fault) -> None:
    stand_in.load(3)
    stand_in.fail_next(fault, BOOKINGS)
    assert len(await uids(copera)) == 3


async def test_copera_says_how_long_to_wait(
    stand_in: CoperaStandIn, copera: Copera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`retryAfter` in the body is heeded."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("bridge.copera.asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": sleep}))
    stand_in.fail_next(RateLimit(1, header=False), BOOKINGS)
    await uids(copera)
    assert waits == [1]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Refuse("401"), Unauthorised, "COPERA_API_TOKEN is wrong, revoked or expired"),
        (Refuse("403"), Forbidden, "the scope access_bookings"),
        (Refuse("400"), Refused, "COPERA_API_URL"),
        (Refuse("404"), Refused, "COPERA_API_URL"),
        (Status(302, ""), Refused, "COPERA_API_URL"),
        (Status(503), Unreachable, "503"),
        (Drop(), Unreachable, "cannot be reached"),
        (RepeatedCursor(), BrokenListing, "a cursor came twice"),
    ],
)
async def test_errors_say_what_to_do(
    stand_in: CoperaStandIn, copera: Copera, fault: Fault, kind: type[CoperaError], words: str
) -> None:
    """Never with the token in them."""
    stand_in.load(3)
    stand_in.fail_next(fault, BOOKINGS, times=None)
    with pytest.raises(kind) as raised:
        await uids(copera)
    assert words in str(raised.value)
    assert TOKEN not in repr(raised.value)


async def test_a_token_that_comes_back_is_not_repeated(stand_in: CoperaStandIn) -> None:
    """Copera's own words are shown, but for the token."""
    stand_in.fail_next(Status(403, json.dumps({"message": f"{TOKEN} may not"})), BOOKINGS)
    async with Copera(stand_in.api_url, TOKEN) as copera:
        with pytest.raises(Forbidden, match="<token> may not"):
            await uids(copera)


async def test_nobody_listens() -> None:
    """A refused connection is a trouble that may pass."""
    async with Copera("http://127.0.0.1:9", TOKEN, pause=0.01) as copera:
        with pytest.raises(Unreachable, match="cannot be reached"):
            await copera.types()


async def test_what_is_observed(stand_in: CoperaStandIn) -> None:
    """Every request is told of, without ids; the clock's skew is known after the first."""
    seen: list[tuple[str, str]] = []
    ahead = timedelta(minutes=5)
    async with Copera(
        stand_in.api_url,
        TOKEN,
        pause=0.01,
        clock=lambda: datetime.now(UTC) - ahead,
        observer=lambda endpoint, outcome, seconds: seen.append((endpoint, outcome)),
    ) as copera:
        stand_in.fail_next(Status(503), BOOKINGS)
        await uids(copera)
        await copera.booking("secret")
        assert copera.skew is not None
        assert abs(copera.skew - ahead) < timedelta(seconds=3)
    assert seen == [("/bookings", "503"), ("/bookings", "200"), ("/bookings/{uid}", "404")]


async def test_a_listing_without_an_end() -> None:
    """The same two pages for ever under ever new cursors are a circle, too."""
    asked = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        page = [{"uid": f"bk_{asked % 2}"}]
        return web.json_response({"bookings": page, "nextCursor": f"c{asked}", "hasMore": True})

    application = web.Application()
    application.add_routes([web.get("/bookings", answer)])
    async with TestServer(application) as server, Copera(str(server.make_url("")), TOKEN) as copera:
        with pytest.raises(BrokenListing, match="a page came twice"):
            await uids(copera, ahead=True)
    assert asked == 3
