"""The feed of 1,000 bookings beside Radicale, a CalDAV server, that holds the same calendar in files.

Each GET has a connection of its own: Radicale's server speaks HTTP/1.0.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import tempfile
import time
from base64 import b64encode

import uvloop

from bridge.database import open_database
from tests.bench.feed_data import ANOTHER, OF_ANOTHER, fill
from tests.bench.feed_load import CONNECTIONS, once, path, process, request, serving
from tests.bench.figures import Figure
from tests.bench.webhook import free_port

PLACE = "/bench/calendar/"
ACCOUNT = "Basic " + b64encode(b"bench:").decode()
TURNS = 2
SECONDS = 2.0
WHAT = f"GETs of {OF_ANOTHER:,} bookings, each on a new connection ÷ Radicale"


async def rate(port: int, asked: bytes) -> float:
    """Answers a second, each on a connection of its own, over some that are open at once."""
    until = time.perf_counter() + SECONDS

    async def some() -> int:
        count = 0
        while time.perf_counter() < until:
            status, body, _ = await once(port, asked)
            assert status == 200, status
            assert body.count(b"BEGIN:VEVENT") == OF_ANOTHER
            count += 1
        return count

    began = time.perf_counter()
    counts = await asyncio.gather(*(some() for _ in range(CONNECTIONS)))
    return sum(counts) / (time.perf_counter() - began)


async def put(port: int, body: bytes) -> None:
    """Store the calendar, as soon as Radicale listens."""
    head = (
        f"PUT {PLACE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {ACCOUNT}\r\n"
        f"Content-Type: text/calendar\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for _ in range(200):
        with contextlib.suppress(ConnectionRefusedError):
            status, _, _ = await once(port, head.encode() + body)
            assert status == 201, status
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("Radicale does not listen")


async def _beside(ours: int) -> Figure:
    _, body, _ = await once(ours, request(path(ANOTHER)))
    with tempfile.TemporaryDirectory() as folder:
        theirs = free_port()
        options = {
            "config": "",
            "server-hosts": f"127.0.0.1:{theirs}",
            "server-max-connections": "64",
            "storage-filesystem-folder": folder,
            "auth-type": "none",
            "logging-level": "error",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        async with process("radicale", *arguments, quiet=True):
            await put(theirs, body)
            asked = request(PLACE, Authorization=ACCOUNT)
            rates = [
                (await rate(ours, request(path(ANOTHER))), await rate(theirs, asked)) for _ in range(TURNS)
            ]
    mine, his = (max(column) for column in zip(*rates, strict=True))
    return Figure(WHAT, f"{mine / his:.0f}", f"{mine:,.0f}/s, Radicale {his:,.1f}/s")


async def _all() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(url := f"sqlite:///{folder}/bridge.db")
        await fill(database, OF_ANOTHER, of_one=0)
        await database.close()
        async with serving("feeds", url) as (port, _):
            return [await _beside(port)]


def bench() -> list[Figure]:
    """The ratio, or how to get it."""
    if importlib.util.find_spec("radicale") is None:
        return [Figure(WHAT, "not measured", "not installed: .venv/bin/pip install radicale")]
    return uvloop.run(_all())


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
