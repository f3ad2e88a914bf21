"""What feeds cost: builds, changes, unchanged answers, bodies, memory and refreshes, by their yardsticks."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import uvloop
from icalendar import Calendar, Event
from icalendar.enums import STATUS, TRANSP

from bridge.copera import Copera
from bridge.core.bookings import Answer
from bridge.core.feeds.calendar import View, finish, summary, uid
from bridge.core.feeds.entries import Entry
from bridge.core.feeds.tokens import Options
from bridge.core.refresh import window
from bridge.database import Database, open_database
from bridge.mirror import Mirror
from bridge.mirror.writing import MirrorWriter
from bridge.sandbox.copera import TOKEN
from bridge.store.bookings import Bookings
from bridge.web.feed_cache import FeedCache
from tests.bench.feed_data import ANOTHER, OF_ANOTHER, OF_ONE, ONE, fill, made, now, sighting
from tests.bench.feed_load import TOKENS, compare, once, path, process, request, seconds, serving
from tests.bench.feed_servers import ETAG
from tests.bench.figures import Figure, at_least, at_most

ALL = 100_000


def by_icalendar(entries: Sequence[Entry]) -> bytes:
    """The yardstick of a build: icalendar's own events, with the same properties."""
    calendar = Calendar.new(prodid="-//x//y//EN", uid="x", name="x")
    for entry in entries:
        booking = entry.booking
        event = Event.new(
            uid=uid(entry.uid),
            stamp=entry.full.at,
            created=entry.first_seen,
            last_modified=entry.full.at,
            sequence=entry.full.sequence,
            summary=summary(booking, View()),
            description="\n".join(
                [booking.booker.name, booking.booker.email, *(a.text for a in booking.answers)]
            ),
            location=booking.location.text,
            start=booking.start,
            end=finish(booking),
            url=booking.location.url,
            status=STATUS.CONFIRMED,
            transparency=TRANSP.OPAQUE,
            categories=[booking.type_title],
        )
        calendar.add_component(event)
    return bytes(calendar.to_ical())


async def _building(database: Database, writer: MirrorWriter, port: int) -> list[Figure]:
    """The first answer, and the next one after a change."""
    entries = [e async for chunk in Bookings(database).of(ONE, window(now(), 90)) for e in chunk]
    began = time.perf_counter()
    by_icalendar(entries)
    yardstick = time.perf_counter() - began
    await seconds(port, request(path(ANOTHER)))
    first, size = await seconds(port, request(path(ONE)))
    build = at_most(
        f"first GET of {OF_ONE:,} bookings ({size / 1e6:.1f} MB) of {ALL:,} ÷ icalendar building them",
        first / yardstick,
        1,
        yardstick=f"{first:.2f} s, icalendar {yardstick:.2f} s",
    )
    await seconds(port, request(path(ONE), Accept_Encoding="gzip"))
    changes = []
    for name, headers in (("", {}), (", gzip", {"Accept_Encoding": "gzip"})):
        extra = await _change(port, writer, entries, headers)
        what = f"… the next GET{name}, beyond an unchanged one"
        said = f"{extra / yardstick:.4f} of icalendar's build"
        changes.append(Figure(what, f"{extra * 1e3:.1f} ms", said))
    return [build, await _cache(database, writer, yardstick), *changes]


async def _change(
    port: int, writer: MirrorWriter, entries: Sequence[Entry], headers: dict[str, str]
) -> float:
    """Seconds that an answer takes longer than an unchanged one when one booking changed: median of 7."""
    extra = []
    for turn in range(7):
        booking = entries[turn * 1000 + 500].booking
        moved = replace(booking, answers=(Answer("q", "Topic", (f"turn {turn} {headers}",)),))
        await writer.store([sighting(moved)])
        await asyncio.sleep(1.1)  # the server looks once a second
        asked = request(path(ONE), **headers)
        changed, _ = await seconds(port, asked)
        again = min([(await seconds(port, asked))[0] for _ in range(3)])
        extra.append(changed - again)
    return sorted(extra)[3]


async def _cache(database: Database, writer: MirrorWriter, yardstick: float) -> Figure:
    """The work after a change alone, without the wire."""
    work = await changing(database, writer)
    said = f"{work / yardstick:.4f} of icalendar's build"
    return at_most(f"work after one of {OF_ONE:,} bookings changed", work * 1e3, 15, "{:.1f} ms", said)


async def changing(database: Database, writer: MirrorWriter, of_one: int = OF_ONE) -> float:
    """Processor seconds from a change of one of the host's bookings to the new bytes: median of 9."""
    cache = FeedCache(database, TOKENS, clock=now, past_days=90)
    await cache.look()
    await cache.get(ONE, Options(), now())
    times = []
    for turn in range(9):
        booking = replace(made(turn * of_one // 10, now().replace(microsecond=0), of_one), answers=())
        await writer.store([sighting(booking)])
        cache.invalidate()
        began = time.process_time()
        await cache.look()
        await cache.get(ONE, Options(), now())
        times.append(time.process_time() - began)
    return sorted(times)[4]


async def _answering(folder: str, port: int, pid: int) -> list[Figure]:
    """Unchanged answers and whole bodies, beside a bare aiohttp handler with the same bytes."""
    _, body, etag = await once(port, request(path(ANOTHER)))
    small = Path(folder) / "small.ics"
    small.write_bytes(body)
    unchanged = request(path(ANOTHER), If_None_Match=etag)
    figures = []
    async with serving("bare", str(small)) as (other, bare):
        for what, goal, ours, theirs, count, status in (
            ("unchanged GETs a second", 0.6, unchanged, request("/304", If_None_Match=ETAG), 4000, 304),
            (
                f"GETs of {OF_ANOTHER:,} bookings a second",
                0.5,
                request(path(ANOTHER)),
                request("/body"),
                800,
                200,
            ),
        ):
            mine, his, cost = await compare((port, pid, ours), (other, bare, theirs), count, status)
            said = f"{mine:,.0f}/s, bare {his:,.0f}/s; {cost:.2f} by processor time"
            figures.append(
                at_least(f"{what} ÷ bare aiohttp with the same bytes", mine / his, goal, yardstick=said)
            )
    return figures


async def _refreshing() -> Figure:
    """A full refresh from Copera's stand-in, beside reading its pages and nothing else."""
    async with process("bridge.sandbox.copera", "--bookings", str(OF_ONE)) as copera:
        assert copera.stdout is not None
        url = (await copera.stdout.readline()).decode().strip()
        with tempfile.TemporaryDirectory() as folder:
            database = await open_database(f"sqlite:///{folder}/bridge.db")
            async with Copera(url, TOKEN) as client:
                bare, first, later = await refreshes(database, client)
            await database.close()
    said = f"{later:.2f} s, reading {bare:.2f} s; the very first, which stores all, {first:.2f} s"
    return at_most(
        f"a full refresh of {OF_ONE:,} bookings ÷ reading their pages",
        later / bare,
        1.5,
        yardstick=said,
    )


async def refreshes(database: Database, copera: Copera, turns: int = 5) -> tuple[float, float, float]:
    """Seconds to read all pages, of the first refresh, and of a later one, the best of some turns."""
    mirror = Mirror(database, copera, clock=now, interval=timedelta(seconds=300), past_days=90)

    async def reading() -> None:
        assert copera._session is not None
        query = {"limit": "100", "from": window(now(), 90).isoformat()}
        while True:
            async with copera._session.get(f"{copera._url}/bookings", params=query) as response:
                answer: Any = json.loads(await response.read())
            if not answer["hasMore"]:
                return
            query["cursor"] = answer["nextCursor"]

    async def timed(work: Any) -> float:
        began = time.perf_counter()
        await work()
        return time.perf_counter() - began

    await reading()
    first = await timed(mirror.refresh)
    both = [(await timed(reading), await timed(mirror.refresh)) for _ in range(turns)]
    bare, later = (min(column) for column in zip(*both, strict=True))
    return bare, first, later


async def _all() -> list[Figure]:
    figures = [await _refreshing()]
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(url := f"sqlite:///{folder}/bridge.db")
        writer = await fill(database, ALL)
        async with serving("feeds", url) as (port, pid):
            figures += await _building(database, writer, port)
            figures += await _answering(folder, port, pid)
            memory = psutil.Process(pid).memory_info().rss / 2**20
            what = f"resident memory with {ALL:,} bookings, {OF_ONE:,} of one host"
            figures.append(at_most(what, memory, 250, "{:.0f} MiB"))
        await database.close()
    return figures


def bench() -> list[Figure]:
    """Each figure with its yardstick measured in the same run."""
    return uvloop.run(_all())


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
