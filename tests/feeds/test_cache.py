"""Feeds kept ready: what happens to one while it is being worked on, and how much is kept."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.feeds.body import FeedBody
from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import Options
from bridge.web import feed_cache
from bridge.web.feed_cache import FeedCache, Shown
from tests.feeds.conftest import Site


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One kind of database: the cache does not see which."""
    file: Path = request.getfixturevalue("migrated_file")
    return f"sqlite:///{shutil.copy(file, tmp_path / 'bridge.db')}"


@pytest.fixture
async def cache(site: Site) -> FeedCache:
    """The cache of a site with some bookings."""
    site.workshop.stand_in.load(30)
    await site.workshop.mirror.refresh()
    found = site.feeds._cache
    await found.look()
    return found


async def get(site: Site, who: Who = ALL) -> tuple[Shown, FeedBody]:
    """A feed as it is now."""
    cache = site.feeds._cache
    cache.invalidate()
    await cache.look()
    shown = await cache.get(who, Options(), site.workshop.clock())
    assert shown.body is not None
    return shown, shown.body


async def move_one(site: Site) -> None:
    calendar = site.workshop.stand_in.calendar
    uid = next(iter(calendar.bookings))
    calendar.reschedule(uid, site.workshop.clock() + timedelta(days=3))
    await site.workshop.mirror.refresh()


async def test_compressed_is_what_was_asked_for(site: Site, cache: FeedCache) -> None:
    """Who began to fetch one state gets that state, though the feed changed meanwhile; so do others."""
    shown, before = await get(site)
    await move_one(site)
    again, after = await get(site)
    assert again is shown
    assert after is not before
    for body in (before, after, before, after):
        assert gzip.decompress(await cache.zipped(shown, body)) == body.data


async def test_a_new_name_while_changes_are_built(
    site: Site, cache: FeedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed while a thread builds what changed: the feed has the new name and the changes."""
    host = next(iter(site.workshop.stand_in.calendar.members))
    who = Who("host", host)
    _, before = await get(site, who)
    began, go = threading.Event(), threading.Event()
    build = feed_cache._changed

    def slowly(*arguments: Any) -> FeedBody:
        began.set()
        go.wait(20)
        return build(*arguments)

    monkeypatch.setattr(feed_cache, "_INLINE", 0)
    monkeypatch.setattr(feed_cache, "_changed", slowly)
    site.workshop.stand_in.calendar.reschedule(
        next(uid for uid, e in (await site.workshop.feed(who)).items() if e.closed_at is None),
        site.workshop.clock() + timedelta(days=4),
    )
    await site.workshop.mirror.refresh()
    working = asyncio.create_task(get(site, who))
    await asyncio.to_thread(began.wait, 20)
    member = site.workshop.stand_in.calendar.members[host]
    site.workshop.stand_in.calendar.members.clear()
    site.workshop.stand_in.calendar.add_member("Somebody Else", member.email, member_id=host)
    await site.workshop.mirror.refresh()
    cache.invalidate()
    await cache.look()
    go.set()
    _, after = await working
    assert after.etag != before.etag
    assert b"NAME:Bookings: Somebody Else\r\n" in after.head
    _, later = await get(site, who)
    cache.clear()
    _, built = await get(site, who)
    assert later.data == built.data


async def test_a_change_that_could_not_be_built_is_tried_again(
    site: Site, cache: FeedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed once, for want of memory say, is in the feed the next time."""
    await get(site)
    await move_one(site)

    def fails(*arguments: Any) -> FeedBody:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(feed_cache, "_changed", fails)
        with pytest.raises(MemoryError):
            await get(site)
    _, changed = await get(site)
    cache.clear()
    _, built = await get(site)
    assert changed.data == built.data


async def test_how_much_is_kept(site: Site, cache: FeedCache) -> None:
    """Feeds are weighed as they change and are compressed; what was not asked for the longest goes first."""
    hosts = [Who("host", host) for host in site.workshop.stand_in.calendar.members]
    for who in [ALL, *hosts]:
        shown, body = await get(site, who)
        await cache.zipped(shown, body)
    await move_one(site)
    await get(site)
    assert list(cache._kept.values())[-1].who == ALL
    assert cache._weight == sum(shown.weight for shown in cache._kept.values())
    assert all(shown.weight > 0 for shown in cache._kept.values())
    cache._budget = 1
    await move_one(site)
    await get(site, hosts[1])
    await move_one(site)
    await get(site, hosts[0])
    assert [shown.who for shown in cache._kept.values()] == [hosts[0]]
    assert cache._weight == cache._kept.popitem()[1].weight
