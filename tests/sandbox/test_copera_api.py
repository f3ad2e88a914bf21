"""The read API as the vendor's guides tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_api import BOOKINGS
from bridge.sandbox.faults import BrokenJson, RateLimit, Refuse, RepeatedCursor, ShortPage, Status

NOW = datetime(2026, 7, 6, 9, tzinfo=UTC)
ALICE = {"name": "Alice Booker", "email": "alice@example.com", "timezone": "America/Sao_Paulo"}


class Reader:
    """Reads the API with a token."""

    def __init__(self, copera: CoperaStandIn, session: aiohttp.ClientSession) -> None:
        self.copera = copera
        self.session = session
        self.token = copera.token

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        """Return the status and the JSON."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.copera.api_url + path
        async with self.session.get(url, params=query, headers=headers) as response:
            assert parsedate_to_datetime(response.headers["Date"])
            return response.status, await response.json(content_type=None)

    async def uids(self, **query: str) -> list[str]:
        """Return the uids of all pages."""
        found: list[str] = []
        while True:
            _, page = await self.get("/bookings", **query)
            found += [booking["uid"] for booking in page["bookings"]]
            if not page["hasMore"]:
                return found
            query["cursor"] = page["nextCursor"]


@pytest.fixture
def reader(copera: CoperaStandIn, session: aiohttp.ClientSession) -> Reader:
    """A reader with a personal access token."""
    return Reader(copera, session)


async def test_pages_lead_to_the_end_newest_first(copera: CoperaStandIn, reader: Reader) -> None:
    """230 bookings are three pages of at most 100; one made meanwhile moves nothing."""
    uids = copera.load(230, around=NOW)
    _, first = await reader.get("/bookings", limit="100")
    copera.load(1, around=NOW, seed=2)
    rest = await reader.uids(limit="100", cursor=first["nextCursor"])
    assert [booking["uid"] for booking in first["bookings"]] + rest == uids[::-1]
    _, usual = await reader.get("/bookings")
    assert len(usual["bookings"]) == 25


async def test_filters(copera: CoperaStandIn, reader: Reader) -> None:
    """By status, type, and start; combined they narrow."""
    copera.load(80, around=NOW)
    every = copera.calendar.bookings.values()
    solo = copera.calendar.type("Intro Call").id
    wanted = {b.uid for b in every if b.status == "CONFIRMED" and b.type.id == solo and b.start >= NOW}
    found = await reader.uids(status="CONFIRMED", bookingTypeId=solo, **{"from": NOW.isoformat()})
    assert wanted
    assert set(found) == wanted
    early = await reader.uids(to="2026-07-06T08:59:59.000Z")
    assert set(early) == {b.uid for b in every if b.start < NOW}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "all"},
        {"status": "GONE"},
        {"from": "soon"},
        {"cursor": "x"},
    ],
)
async def test_bad_parameters(reader: Reader, query: dict[str, str]) -> None:
    """400, in Copera's form, naming the parameter."""
    status, body = await reader.get("/bookings", **query)
    assert (status, body["statusCode"], body["error"]) == (400, 400, "Bad Request")
    assert body["message"].startswith(next(iter(query)))


async def test_one_booking_and_what_it_holds(copera: CoperaStandIn, reader: Reader) -> None:
    """By uid, which the webhook's id is not; unknown ones are 404."""
    start = NOW + timedelta(days=2)
    answer = {"questionId": "q1", "label": "Topic", "value": ["a", 1]}
    sent = copera.calendar.create("Panel interview", start=start, booker=ALICE, answers=(answer,))
    status, body = await reader.get(f"/bookings/{sent.uid}")
    assert status == 200
    assert (body["start"], body["end"]) == ("2026-07-08T09:00:00.000Z", "2026-07-08T10:00:00.000Z")
    assert [host["role"] for host in body["hosts"]] == ["ORGANIZER", "ATTENDEE", "ATTENDEE"]
    assert (body["answers"], body["booker"]["name"]) == ([answer], "Alice Booker")
    assert sent.data["id"] != body["uid"]
    assert (await reader.get(f"/bookings/{sent.data['id']}"))[0] == 404


async def test_ids_can_be_equal() -> None:
    """No guide says which, so both can be tried."""
    copera = CoperaStandIn(ids="equal")
    copera.load(1, around=NOW)
    sent = copera.calendar.create("Intro Call", start=NOW, booker=ALICE)
    assert sent.data["id"] == sent.uid


async def test_types_come_whole(copera: CoperaStandIn, reader: Reader) -> None:
    """Hidden and inactive ones too; the list's key can be changed, as no guide names it."""
    copera.calendar.add_type("Old", "SOLO", ["x"], hidden=True, active=False)
    _, body = await reader.get("/booking-types")
    shown = [(kind["title"], kind["kind"], kind["hidden"]) for kind in body["bookingTypes"]]
    assert shown[0] == ("Intro Call", "SOLO", False)
    assert shown[3] == ("Old", "SOLO", True)
    copera.types_key = None
    assert isinstance((await reader.get("/booking-types"))[1], list)


async def test_members_are_searched_and_paged(reader: Reader) -> None:
    """By part of a name or address, by offset."""
    _, body = await reader.get("/workspace/members", limit="2", offset="1")
    assert ([m["email"] for m in body["members"]], body["total"]) == (
        ["host1@example.com", "host2@example.com"],
        5,
    )
    _, body = await reader.get("/workspace/members", q="HOST3")
    assert [member["email"] for member in body["members"]] == ["host3@example.com"]
    assert (await reader.get("/workspace/members", limit="501"))[0] == 400


async def test_tokens(copera: CoperaStandIn, reader: Reader) -> None:
    """401 for unknown and expired ones, 403 without the scope, the directory closed to keys."""
    reader.token = "cp_pat_wrong"
    assert (await reader.get("/bookings"))[0] == 401
    reader.token = "cp_key_integration"
    copera.add_token(reader.token)
    assert (await reader.get("/bookings"))[0] == 200
    assert (await reader.get("/workspace/members"))[0] == 403
    copera.members_refusal = 401
    assert (await reader.get("/workspace/members"))[0] == 401
    copera.add_token(reader.token, scopes=())
    status, body = await reader.get("/bookings")
    assert (status, body["message"]) == (403, "Missing scope: access_bookings")
    copera.expire_token(reader.token)
    assert (await reader.get("/bookings"))[0] == 401


async def test_troubles(copera: CoperaStandIn, reader: Reader, session: aiohttp.ClientSession) -> None:
    """Each once, in the order they were ordered; then all is well."""
    copera.load(10, around=NOW)
    for fault in (RateLimit(7), Refuse("500"), ShortPage(2), ShortPage(), RepeatedCursor()):
        copera.fail_next(fault, BOOKINGS)
    status, body = await reader.get("/bookings")
    assert (status, body["retryAfter"]) == (429, 7)
    assert (await reader.get("/bookings"))[0] == 500
    _, body = await reader.get("/bookings")
    assert (len(body["bookings"]), body["hasMore"]) == (2, False)
    assert (await reader.get("/bookings"))[1]["bookings"] == []
    _, first = await reader.get("/bookings", limit="5")
    _, again = await reader.get("/bookings", limit="5", cursor=first["nextCursor"])
    assert again["bookings"] == first["bookings"]
    assert len(await reader.uids()) == 10
    copera.fault = Status(502)
    async with session.get(copera.api_url + "/bookings") as response:
        assert response.status == 502
    copera.fault = BrokenJson(accepted=True)
    with pytest.raises(ValueError):
        await reader.get("/bookings")
    assert [call.outcome for call in copera.calls][:3] == ["RateLimit", "Refuse", "ShortPage"]


def test_made_up_bookings_are_the_same_for_a_seed() -> None:
    """And others for another seed; a second load adds to the first."""
    loads = [CoperaStandIn() for _ in range(2)]
    first, again = (copera.load(20, around=NOW) for copera in loads)
    assert first == again
    assert set(loads[0].load(20, around=NOW)).isdisjoint(first)
