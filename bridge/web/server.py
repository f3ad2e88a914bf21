"""The bridge's one HTTP server: its routes at an address, within the bounds of `web.hardening`."""

from __future__ import annotations

import os
from collections.abc import Iterable

from aiohttp import web

from bridge.web.answers import errors_as_json
from bridge.web.hardening import Answering, Bounds, Connections
from bridge.web.runner import Runner
from bridge.web.webhook import LARGEST_BODY


class CannotListen(Exception):
    """Nobody can be served at this address; the message is one line that names the settings."""


class Server:
    """Serves these routes from `start` to `close`; a plain POST to `direct`'s path is answered by it."""

    def __init__(
        self,
        routes: Iterable[web.RouteDef],
        direct: tuple[str, Answering] | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.connections = Connections(bounds or Bounds())
        application = web.Application(client_max_size=LARGEST_BODY, middlewares=[errors_as_json])
        application.add_routes(routes)
        self._runner = Runner(application, self.connections, direct, LARGEST_BODY)

    async def start(self, host: str, port: int) -> str:
        """Listen; the URL at which this machine reaches it. Port 0 takes a free one. Raises CannotListen."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as problem:
            number = problem.errno or 0
            why = os.strerror(number) if number > 0 else problem.strerror
            raise CannotListen(f"cannot listen on BRIDGE_HOST {host}, BRIDGE_PORT {port}: {why}") from None
        port = self._runner.addresses[0][1]
        return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104 - compared, not listened on

    async def close(self) -> None:
        """Answer what is being asked, for as long as the bounds allow, and let go of the port."""
        await self._runner.cleanup()
