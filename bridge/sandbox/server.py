"""One HTTP server on this machine, for a stand-in: started, stopped and started again on its port."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

MAX_BODY = 4 * 1024**2


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `args` holds no token; `outcome` is "ok", an error code, or the fault's name.

    `channel` and `ts` are those of the answer, when it carried any, also if the caller never got it.
    """

    method: str
    at: float
    args: Mapping[str, Any]
    outcome: str
    channel: str | None = None
    ts: str | None = None


class LocalServer:
    """A server that can go away and come back: stopping it is the outage, its owner keeps the state."""

    def __init__(self, routes: Callable[[], list[web.RouteDef]]) -> None:
        self._routes = routes
        self._runner: web.AppRunner | None = None
        self._host = "127.0.0.1"
        self._port = 0

    @property
    def url(self) -> str:
        """`http://HOST:PORT`, also of a stopped server."""
        if not self._port:
            raise RuntimeError("the server was never started")
        return f"http://{self._host}:{self._port}"

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 means a free one, or the former one when it ran before. OSError when taken."""
        if self._runner is not None:
            raise RuntimeError("the server runs already")
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(self._routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, host, port or self._port, reuse_address=True)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._host = host
        self._port = int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port and every connection; calls in progress are cut off."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


class StandIn(Protocol):
    """What can be run as a process of its own."""

    async def start(self, host: str = ..., port: int = ...) -> None: ...

    async def stop(self) -> None: ...


async def run(stand_in: StandIn, host: str, port: int, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is called once the port is open."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    await stand_in.start(host, port)
    announce()
    await done.wait()
    await stand_in.stop()
