"""The servers of the feeds' bench, each in a process of its own; prints its port, ends on SIGTERM.

`python -m tests.bench.feed_servers feeds DATABASE_URL` serves feeds. `… bare FILE` is the yardstick: a
bare aiohttp handler that answers with the file's bytes, or with 304 at /304.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop
from aiohttp import web

from bridge.database import open_database
from bridge.web.feeds import Feeds

SECRET = "b" * 40
ETAG = '"0123456789abcdef0123456789abcdef"'


async def main(kind: str, target: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    application = web.Application()
    if kind == "bare":
        body = Path(target).read_bytes()
        application.add_routes([web.get("/304", _unchanged), web.get("/body", lambda request: _body(body))])
    else:
        feeds = Feeds(
            await open_database(target),
            secret=SECRET,
            public_url="http://localhost",
            overdue=timedelta(hours=1),
            past_days=90,
            clock=lambda: datetime.now(UTC),
        )
        application.add_routes(feeds.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


async def _unchanged(request: web.Request) -> web.Response:
    return web.Response(status=304, headers={"ETag": ETAG})


async def _body(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": "text/calendar; charset=utf-8", "ETag": ETAG})


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
