"""What feeds cost: builds, changes, unchanged answers, bodies, memory and refreshes, by their yardsticks."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import uvloop
from icalendar import Calendar, Event
from icalendar.enums import STATUS, TRANSP

from bridge.copera import Copera
from bridge.core.bookings import Answer, Booker, Booking, Host, Location
from bridge.core.calendar import View, finish, summary, uid
from bridge.core.entries import Entry
from bridge.core.feeds import Who
from bridge.core.reading import write_booking
from bridge.core.refresh import Sighting, window
from bridge.core.refresh import sighting as told
from bridge.core.tokens import Options, Seals
from bridge.database import Database, open_database
from bridge.mirror import Mirror
from bridge.mirror.taking import Taking
from bridge.sandbox.copera import TOKEN
from bridge.store.bookings import Bookings
from bridge.store.feeds import FeedStore
from bridge.store.refreshes import Refreshes
from bridge.web.feed_shelf import Shelf
from tests.bench.feed_servers import ETAG, SECRET

ALL = 100_000
OF_ONE = 10_000
OF_ANOTHER = 1_000
CONNECTIONS = 8
ONE, ANOTHER = Who("host", "host-1"), Who("host", "host-2")
SEALS = Seals(SECRET)


def now() -> datetime:
    return datetime.now(UTC)


def made(number: int, day: datetime) -> Booking:
    """A booking as real ones are: the first of one host, the next of another, the rest of many."""
    first, second = number < OF_ONE, number < OF_ONE + OF_ANOTHER
    host = ONE.id if first else ANOTHER.id if second else f"host-{number % 200 + 10}"
    start = day + timedelta(minutes=15 * (number % 4000) - 20 * 1440)
    draw = random.Random(number)
    return Booking(
        id=f"bk_{number:08}",
        uid=f"bk_{number:08}",
        status="CONFIRMED",
        type_id="665f01",
        type_title="Intro Call",
        start=start,
        end=start + timedelta(minutes=30),
        duration=30,
        timezone="America/Sao_Paulo",
        hosts=(Host(host, "ORGANIZER"),),
        booker=Booker(
            f"Zoë Müller {number}", f"zoe{number}@example.com", "+15551234567", "Europe/Berlin", "en"
        ),
        answers=(Answer("q1", "What would you like to talk about?", ("x" * draw.randint(40, 200),)),),
        location=Location("ZOOM", (("joinUrl", f"https://zoom.example/j/{draw.randint(10**9, 10**10)}"),)),
    )


def sighting(booking: Booking) -> Sighting:
    item = write_booking(booking)
    return told(item, json.dumps(item), now())


async def fill(database: Database) -> Taking:
    """A mirror of all bookings."""
    await Refreshes(database).prepare()
    taking = Taking(Bookings(database), FeedStore(database), now, lambda: None)
    day = now().replace(hour=0, minute=0, second=0, microsecond=0)
    for first in range(0, ALL, 1000):
        await taking.take([sighting(made(number, day)) for number in range(first, first + 1000)])
    await Refreshes(database).succeeded(now(), ALL)
    return taking


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


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[int, int]]:
    """A measured server: its port and process id."""
    command = [sys.executable, "-m", "tests.bench.feed_servers", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline()), process.pid
    finally:
        process.terminate()
        await process.wait()


def request(path: str, **headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1"]
    return "\r\n".join(
        [*lines, *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()), "", ""]
    ).encode()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes
) -> tuple[int, int, str]:
    """The status, the bytes of the body, and the ETag of one answer."""
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
    size = int(fields.get("content-length", 0))
    if size:
        await reader.readexactly(size)
    return int(head.split(b" ", 2)[1]), size, fields.get("etag", "")


async def seconds(port: int, asked: bytes) -> tuple[float, int]:
    """How long one answer takes on a new connection, and its bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    began = time.perf_counter()
    status, size, _ = await ask(reader, writer, asked)
    took = time.perf_counter() - began
    writer.close()
    assert status in {200, 304}, status
    return took, size


async def rate(port: int, asked: bytes, count: int, status: int) -> float:
    """Answers a second over several connections."""

    async def some() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        for _ in range(count // CONNECTIONS):
            assert (await ask(reader, writer, asked))[0] == status
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(CONNECTIONS)))
    return count / (time.perf_counter() - began)


def used(process: int) -> float:
    """The processor seconds that a process has used."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


async def compare(
    ours: tuple[int, int, bytes], theirs: tuple[int, int, bytes], count: int, status: int
) -> tuple[float, float, float]:
    """Answers a second of both, best of five turns each, and their processor time's ratio (theirs to ours).

    Each is a port, a process and a request. The second ratio stands also on a machine that is busy.
    """
    rates: list[list[float]] = [[], []]
    costs: list[list[float]] = [[], []]
    for _ in range(5):
        for number, (port, process, asked) in enumerate((ours, theirs)):
            before = used(process)
            rates[number].append(await rate(port, asked, count, status))
            costs[number].append(used(process) - before)
    return max(rates[0]), max(rates[1]), min(costs[1]) / min(costs[0])


def path(who: Who, options: Options | None = None) -> str:
    return f"/feeds/{SEALS.token(who.key, 0, options or Options())}.ics"


async def _serving(folder: str, database: Database, taking: Taking, lines: list[str]) -> None:
    bookings = Bookings(database)
    entries = [e async for chunk in bookings.of(ONE, window(now(), 90)) for e in chunk]
    began = time.perf_counter()
    by_icalendar(entries)
    yardstick = time.perf_counter() - began
    small = Path(folder) / "small.ics"
    async with serving("feeds", f"sqlite:///{folder}/bridge.db") as (port, process):
        await seconds(port, request(path(ANOTHER)))
        first, size = await seconds(port, request(path(ONE)))
        lines.append(
            f"first GET of {OF_ONE:,} bookings of {ALL:,} ({size / 1e6:.1f} MB): {first:.2f} s,"
            f" {first / yardstick:.2f} of icalendar building and serialising them ({yardstick:.2f} s)"
        )
        zipped, _ = await seconds(port, request(path(ONE), Accept_Encoding="gzip"))
        await _changes(port, taking, entries, lines, yardstick)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        writer.write(request(path(ANOTHER)))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        small.write_bytes(await reader.readexactly(length))
        etag = head.lower().split(b"etag: ")[1].split(b"\r\n")[0].decode()
        writer.close()
        async with serving("bare", str(small)) as (other, bare):
            unchanged = request(path(ANOTHER), If_None_Match=etag)
            mine, theirs, cost = await compare(
                (port, process, unchanged), (other, bare, request("/304", If_None_Match=ETAG)), 4000, 304
            )
            lines.append(
                f"unchanged GETs/s: {mine:,.0f}, {mine / theirs:.2f} of a bare aiohttp 304 ({theirs:,.0f}),"
                f" {cost:.2f} by processor time"
            )
            mine, theirs, cost = await compare(
                (port, process, request(path(ANOTHER))), (other, bare, request("/body")), 800, 200
            )
            lines.append(
                f"GETs/s of {OF_ANOTHER:,} bookings ({length / 1e3:.0f} kB): {mine:,.0f}, {mine / theirs:.2f}"
                f" of bare aiohttp serving the same bytes ({theirs:,.0f}), {cost:.2f} by processor time"
            )
        memory = psutil.Process(process).memory_info().rss / 2**20
        lines.append(
            f"resident memory with all of it: {memory:.0f} MiB; first gzip of it {zipped * 1e3:.0f} ms"
        )


async def _changes(
    port: int, taking: Taking, entries: Sequence[Entry], lines: list[str], yardstick: float
) -> None:
    """One booking changes; what the next answer takes longer than an unchanged one, in both encodings."""
    for name, headers in (("", {}), (", gzip", {"Accept_Encoding": "gzip"})):
        extra = []
        for turn in range(7):
            booking = entries[turn * 1000 + 500].booking
            moved = replace(booking, answers=(Answer("q", "Topic", (f"turn {turn}{name}",)),))
            await taking.take([sighting(moved)])
            await asyncio.sleep(1.1)  # the server looks once a second
            asked = request(path(ONE), **headers)
            changed, _ = await seconds(port, asked)
            again = min([(await seconds(port, asked))[0] for _ in range(3)])
            extra.append(changed - again)
        middle = sorted(extra)[len(extra) // 2]
        lines.append(
            f"GET after one of {OF_ONE:,} changed{name}: {middle * 1e3:.1f} ms more than an unchanged one"
            f" (median of 7), {middle / yardstick:.4f} of the full build"
        )


async def _shelf(database: Database, taking: Taking, lines: list[str]) -> None:
    """The work after a change alone, without the wire."""
    shelf = Shelf(database, SEALS, clock=now, past_days=90)
    await shelf.look()
    await shelf.get(ONE, Options(), now())
    times = []
    for turn in range(9):
        booking = replace(made(turn * 1000, now().replace(microsecond=0)), answers=())
        await taking.take([sighting(booking)])
        shelf.invalidate()
        began = time.process_time()
        await shelf.look()
        await shelf.get(ONE, Options(), now())
        times.append(time.process_time() - began)
    lines.append(f"  the work of it, in processor time: {sorted(times)[4] * 1e3:.1f} ms (median of 9)")


async def _refreshing(lines: list[str]) -> None:
    command = [sys.executable, "-m", "bridge.sandbox.copera", "--bookings", str(OF_ONE)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        with tempfile.TemporaryDirectory() as folder:
            database = await open_database(f"sqlite:///{folder}/bridge.db")
            async with Copera(url, TOKEN) as copera:
                lines += await _refreshes(database, copera)
            await database.close()
    finally:
        process.terminate()
        await process.wait()


async def _refreshes(database: Database, copera: Copera) -> list[str]:
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
    turns = [(await timed(reading), await timed(mirror.refresh)) for _ in range(5)]
    bare, ours = (min(column) for column in zip(*turns, strict=True))
    return [
        f"full refresh of {OF_ONE:,} bookings: {ours:.2f} s, {ours / bare:.2f} of reading the pages alone"
        f" ({bare:.2f} s); the very first, which stores them all: {first:.2f} s, {first / bare:.2f}"
    ]


async def _all() -> list[str]:
    lines: list[str] = []
    await _refreshing(lines)
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(f"sqlite:///{folder}/bridge.db")
        taking = await fill(database)
        await _serving(folder, database, taking, lines)
        await _shelf(database, taking, lines)
        await database.close()
    return lines


def bench() -> list[str]:
    """One line for each figure, with its yardstick measured in the same run."""
    return uvloop.run(_all())


if __name__ == "__main__":
    print("\n".join(bench()))
