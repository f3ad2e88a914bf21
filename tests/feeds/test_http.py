"""Feeds over HTTP: what calendars are answered."""

from __future__ import annotations

import asyncio
import gzip
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from time import monotonic
from typing import Any

import pytest

from bridge.core.feeds.calendar import uid
from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import DETAILS, Options
from bridge.database import Unavailable
from bridge.sandbox.faults import Drop
from bridge.store.feeds import FeedStore
from tests.feeds.calendars import check
from tests.feeds.conftest import Site

SOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
BOOKER = {"name": "Zelda", "email": "zelda@example.com"}


def book(site: Site, type_name: str = "Intro Call", **more: Any) -> str:
    """A booking in the stand-in; its uid."""
    return site.workshop.stand_in.calendar.create(type_name, start=SOON, booker=BOOKER, **more).uid


async def fail(*_: object) -> None:
    raise Unavailable("gone")


async def fill(site: Site, count: int = 30) -> None:
    site.workshop.stand_in.load(count)
    await site.workshop.mirror.refresh()


async def test_a_feed_and_its_headers(site: Site) -> None:
    """What a calendar gets: the type, the validators, and nothing that lets others keep or find it."""
    await fill(site)
    who = Who("host", next(iter(site.workshop.stand_in.calendar.members)))
    response, body = await site.get(site.path(who) + ".ics")
    events = check(body)
    assert len(events) == len(await site.workshop.feed(who))
    headers = response.headers
    assert headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert headers["Cache-Control"] == "private, max-age=60"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"].startswith("noindex")
    assert "Content-Disposition" not in headers
    assert re.fullmatch(r'"[0-9a-f]{32}"', headers["ETag"])
    assert parsedate_to_datetime(headers["Last-Modified"]) < datetime.now(UTC)
    name = site.workshop.stand_in.calendar.members[who.id].name
    assert f"\r\nX-WR-CALNAME:Bookings: {name}\r\n".encode() in body
    assert f"\r\nNAME:Bookings: {name}\r\n".encode() in body


async def test_unchanged_is_304(site: Site) -> None:
    """By ETag (also weak, in a list, or *) and by date; HEAD answers like GET without the body."""
    await fill(site)
    site.workshop.clock.ahead += timedelta(minutes=2)  # a second that may see another change is not named
    path = site.path() + ".ics"
    response, body = await site.get(path)
    etag, modified = response.headers["ETag"], response.headers["Last-Modified"]
    site.workshop.clock.ahead += timedelta(seconds=1)
    for value in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        again, nothing = await site.get(path, {"If-None-Match": value})
        assert (again.status, nothing, again.headers["ETag"]) == (304, b"", etag)
    for headers in ({"If-Modified-Since": modified}, {"If-None-Match": etag, "If-Modified-Since": "no date"}):
        assert (await site.get(path, headers))[0].status == 304
    for headers in (
        {"If-None-Match": '"other"', "If-Modified-Since": modified},
        {"If-Modified-Since": format_datetime(SOON - timedelta(days=9), usegmt=True)},
    ):
        assert (await site.get(path, headers))[0].status == 200
    head, nothing = await site.get(path, method="HEAD")
    assert (head.status, nothing) == (200, b"")
    assert head.headers["Content-Length"] == str(len(body))
    assert head.headers["ETag"] == etag


async def test_a_second_change_in_the_same_second(site: Site) -> None:
    """Dated like the one before, and seen later: who asks by date has not got it, and must not hear that."""
    await fill(site)
    calendar, clock = site.workshop.stand_in.calendar, site.workshop.clock
    changed_at = clock() + timedelta(minutes=1)
    asked: dict[str, str] = {}
    for number, moved in enumerate(list(calendar.bookings)[:2]):
        clock.ahead = changed_at - datetime.now(UTC)
        calendar.reschedule(moved, SOON + timedelta(hours=number))
        await site.workshop.mirror.refresh()
        clock.ahead += timedelta(seconds=30)
        site.feeds.invalidate()
        response, body = await site.get(site.path() + ".ics", asked)
        assert response.status == 200
        [event] = [each for each in check(body) if each["UID"] == uid(moved)]
        assert event.decoded("DTSTART") == SOON + timedelta(hours=number)
        asked = {"If-Modified-Since": response.headers["Last-Modified"]}
    clock.ahead += timedelta(seconds=90)
    response, _ = await site.get(site.path() + ".ics", asked)
    assert response.status == 200
    asked = {"If-Modified-Since": response.headers["Last-Modified"]}
    assert (await site.get(site.path() + ".ics", asked))[0].status == 304


async def test_by_date_while_the_database_is_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another replica changed meanwhile is not known, so nobody hears by date that nothing did."""
    await fill(site)
    await site.calendar()
    monkeypatch.setattr("bridge.web.feed_cache.monotonic", lambda: monotonic() + 7_200)
    monkeypatch.setattr(site.feeds._cache._refreshes, "state", fail)
    site.workshop.clock.ahead = timedelta(hours=2)
    response, _ = await site.get(site.path() + ".ics")
    asked = {"If-Modified-Since": response.headers["Last-Modified"]}
    assert (await site.get(site.path() + ".ics", asked))[0].status == 200


async def test_compressed(site: Site) -> None:
    """gzip where it is taken, under an ETag of its own; both ETags are known."""
    await fill(site)
    path = site.path() + ".ics"
    plain, body = await site.get(path)
    zipped, data = await site.get(path, {"Accept-Encoding": "br, gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert zipped.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(data) == body
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    for etag in (zipped.headers["ETag"], plain.headers["ETag"]):
        assert (await site.get(path, {"If-None-Match": etag, "Accept-Encoding": "gzip"}))[0].status == 304
    refused, _ = await site.get(path, {"Accept-Encoding": "gzip;q=0, identity"})
    assert "Content-Encoding" not in refused.headers


async def test_a_change_shows_at_once(site: Site) -> None:
    """A moved booking keeps its UID, with another ETag, a higher SEQUENCE and the new time."""
    await fill(site)
    moved = book(site)
    await site.workshop.mirror.refresh()
    before = {str(e["UID"]): e for e in check(await site.calendar())}
    site.workshop.stand_in.calendar.reschedule(moved, SOON + timedelta(hours=4))
    await site.workshop.mirror.refresh()
    after = {str(e["UID"]): e for e in check(await site.calendar())}
    assert before.keys() == after.keys()
    event = after[uid(moved)]
    assert event.decoded("DTSTART") == SOON + timedelta(hours=4)
    assert event.decoded("SEQUENCE") > 0
    assert event.decoded("LAST-MODIFIED") > before[uid(moved)].decoded("LAST-MODIFIED")
    others = [key for key in before if key != uid(moved)]
    assert all(before[key].to_ical() == after[key].to_ical() for key in others)


@pytest.mark.no_cover  # it takes long, and its code is covered by cases
async def test_the_same_bytes_whether_changed_or_built_anew(site: Site) -> None:
    """A feed that was changed in place equals one that another replica builds from the store."""
    await fill(site)
    calendar = site.workshop.stand_in.calendar
    hosts = list(calendar.members)
    feeds = [Who("host", host) for host in hosts] + [ALL, Who("type", calendar.type("Intro Call").id)]
    options = [Options(), Options("title"), Options("busy", 15)]
    for who in feeds:
        for one in options:
            await site.calendar(who, one)
    for index, booked in enumerate(list(calendar.bookings)[:12]):
        if index % 3 == 0:
            calendar.reassign(booked, [hosts[index % len(hosts)]])
        elif index % 3 == 1:
            calendar.reschedule(booked, SOON + timedelta(minutes=index))
        else:
            calendar.cancel(booked)
    book(site, "Panel interview")
    await site.workshop.mirror.refresh()
    changed = [await site.calendar(who, one) for who in feeds for one in options]
    site.feeds._cache.clear()
    assert [await site.calendar(who, one) for who in feeds for one in options] == changed
    assert all(check(data) for data in changed)


async def test_levels_of_detail(site: Site) -> None:
    """Titles tell no booker; busy tells nothing but when, and does not change with an answer."""
    await fill(site, 1)
    answer = {"questionId": "q", "label": "Topic", "value": "Secret plan"}
    changed = book(site, answers=(answer,), location={"type": "ZOOM", "url": "https://zoom.example/1"})
    await site.workshop.mirror.refresh()
    full, title, busy = [await site.calendar(ALL, Options(level)) for level in DETAILS]
    for word in (b"Zelda", b"zelda@example.com", b"Secret plan", b"zoom.example"):
        assert word in full.replace(b"\r\n ", b"")
        assert word not in title
        assert word not in busy
    assert b"Intro Call" in title
    assert b"Intro Call" not in busy
    site.workshop.stand_in.calendar.change("x", changed, answers=({**answer, "value": "Other"},))
    await site.workshop.mirror.refresh()
    assert await site.calendar(ALL, Options("busy")) == busy
    assert await site.calendar(ALL, Options("title")) == title
    assert await site.calendar(ALL, Options("full")) != full


async def test_every_wrong_address_looks_alike(site: Site) -> None:
    """Unknown, revoked, malformed, changed by one letter, another level of detail: one 404."""
    await fill(site)
    good = site.path()
    token = good.rpartition("/")[2]
    await FeedStore(site.workshop.database).rotate(Who("type", "x"), site.workshop.clock())
    wrong = [
        site.path(Who("host", "nobody")),
        site.path(Who("type", "x")),
        *(f"/feeds/{token[:i]}{'a' if token[i] != 'a' else 'b'}{token[i + 1 :]}" for i in range(40)),
        f"/feeds/{token.upper()}",
        f"/feeds/{token}a",
        f"/feeds/{token[:-1]}",
        "/feeds/" + "0" * 40,
        "/feeds/a",
        "/feeds/%00",
        "/feeds/é",
        "/feeds/..%2f",
    ]
    for ending, kind in ((".ics", "application/json"), ("", "text/html")):
        answers = set()
        for path in wrong:
            response, body = await site.get(path + ending)
            headers = {k: v for k, v in response.headers.items() if k != "Date"}
            answers.add((response.status, body, tuple(sorted(headers.items()))))
            assert token.encode() not in body
            assert (response.status, response.content_type) == (404, kind)
        assert len(answers) == 1


async def test_rotation_revokes_at_once(site: Site) -> None:
    """The old address is gone, the new one works; other feeds stay."""
    await fill(site)
    await site.calendar()
    generation = await FeedStore(site.workshop.database).rotate(ALL, site.workshop.clock())
    site.feeds.invalidate()
    assert (await site.get(site.path() + ".ics"))[0].status == 404
    assert (await site.get(site.path(generation=generation) + ".ics"))[0].status == 200
    host = Who("host", next(iter(site.workshop.stand_in.calendar.members)))
    assert (await site.get(site.path(host) + ".ics"))[0].status == 200


async def test_before_the_first_refresh(site: Site) -> None:
    """Nothing is known yet: 503 with Retry-After for an address of ours, 404 for others."""
    response, _ = await site.get(site.path() + ".ics")
    assert (response.status, response.headers["Retry-After"]) == (503, "30")
    page, body = await site.get(site.path())
    assert (page.status, page.headers["Retry-After"]) == (503, "30")
    assert b'http-equiv="refresh" content="30"' in body
    assert (await site.get("/feeds/" + "a" * 40 + ".ics"))[0].status == 404
    await fill(site)
    assert check(await site.calendar())


async def test_copera_is_down(site: Site) -> None:
    """The last known state is served, also after a restart."""
    await fill(site)
    before = await site.calendar()
    site.workshop.stand_in.fault = Drop()
    await site.workshop.mirror.refresh()
    site.feeds._cache.clear()
    assert await site.calendar() == before


async def test_the_database_is_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the cache is served on."""
    await fill(site)
    before = await site.calendar()

    monkeypatch.setattr(site.feeds._cache._refreshes, "state", fail)
    assert await site.calendar() == before
    response, _ = await site.get(site.path() + ".ics", {"If-None-Match": "*"})
    assert response.status == 304


async def test_a_host_without_bookings(site: Site) -> None:
    """An empty calendar is a valid one."""
    await fill(site)
    host = Who("host", "665fnobooking")
    await FeedStore(site.workshop.database).register([host], site.workshop.clock())
    data = await site.calendar(host)
    assert check(data) == []


async def test_a_cancellation_stays_for_thirty_days(site: Site) -> None:
    """CANCELLED with a higher SEQUENCE at first, then no more."""
    await fill(site)
    gone = book(site)
    calendar = site.workshop.stand_in.calendar
    calendar.reschedule(gone, SOON + timedelta(days=100))
    await site.workshop.mirror.refresh()
    calendar.cancel(gone)
    await site.workshop.mirror.refresh()
    name = uid(gone)
    event = next(e for e in check(await site.calendar()) if e["UID"] == name)
    assert (event["STATUS"], event["TRANSP"]) == ("CANCELLED", "TRANSPARENT")
    assert event.decoded("SEQUENCE") > 0
    site.workshop.clock.ahead = timedelta(days=29)
    assert name in {e["UID"] for e in check(await site.calendar())}
    site.workshop.clock.ahead = timedelta(days=32)
    data = await site.calendar()
    assert name not in {e["UID"] for e in check(data)}
    site.feeds._cache.clear()
    assert await site.calendar() == data


async def test_past_bookings_age_out_at_midnight(site: Site) -> None:
    """What is older than the window leaves the feed without anything changing in the mirror."""
    await fill(site, 60)
    count = len(check(await site.calendar()))
    site.workshop.clock.ahead = timedelta(days=80)
    response, body = await site.get(site.path() + ".ics")
    assert 0 < len(check(body)) < count
    assert parsedate_to_datetime(response.headers["Last-Modified"]) > datetime.now(UTC) + timedelta(days=78)


async def test_moved_out_of_the_window_and_back(site: Site) -> None:
    """It leaves a feed that is kept ready as it leaves others, and comes back with a higher SEQUENCE."""
    await fill(site)
    moved = book(site)
    calendar = site.workshop.stand_in.calendar
    calendar.reschedule(moved, SOON + timedelta(days=1))
    await site.workshop.mirror.refresh()
    [before] = [e for e in check(await site.calendar()) if e["UID"] == uid(moved)]
    calendar.reschedule(moved, SOON - timedelta(days=200))
    for days in (0, 20):
        site.workshop.clock.ahead = timedelta(days=days)
        await site.workshop.mirror.refresh()
        data = await site.calendar()
        assert uid(moved) not in {e["UID"] for e in check(data)}
    site.feeds._cache.clear()
    assert await site.calendar() == data
    calendar.reschedule(moved, SOON + timedelta(days=30))
    await site.workshop.mirror.refresh()
    [after] = [e for e in check(await site.calendar()) if e["UID"] == uid(moved)]
    assert after.decoded("SEQUENCE") > before.decoded("SEQUENCE")
    calendar.reschedule(moved, SOON - timedelta(days=200))
    await site.workshop.mirror.refresh()
    site.workshop.clock.ahead = timedelta(days=53)
    await site.workshop.mirror.refresh()
    assert moved not in await site.workshop.bookings.traces(SOON)


async def test_who_fetched_it(site: Site) -> None:
    """Per address and client, the last time; on the page at once, in the store soon."""
    await fill(site)
    path = site.path()
    for agent in ("Google-Calendar-Importer", "iOS/17.5.1 (21F90) dataaccessd/1.0", "curl/8"):
        await site.get(path + ".ics", {"User-Agent": agent})
    _, page = await site.get(path)
    assert page.count(b"looked just now") == 3
    await site.feeds._flush()
    store = FeedStore(site.workshop.database)
    assert {fetch.client for fetch in await store.fetches(ALL)} == {"Google", "Apple", "other"}
    await site.get(path + ".ics", {"User-Agent": "curl/8"})
    await site.feeds._flush()
    assert len(await store.fetches()) == 3


async def test_many_ask_at_once(site: Site) -> None:
    """A feed that is not ready is built once, however many wait for it."""
    await fill(site, 200)
    path = site.path() + ".ics"
    answers = await asyncio.gather(*(site.get(path) for _ in range(30)))
    assert {(response.status, body) for response, body in answers} == {(200, answers[0][1])}
