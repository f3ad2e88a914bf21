"""/healthz, /readyz and /metrics: alive, able to do the job, and how it goes. Nothing personal, no secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Part:
    """One part's state: ok, degraded (the job is still done), down, off or unknown, `since` an ISO 8601 time.

    `why` has the remedy, in words.
    """

    state: str
    why: str = ""
    since: str = ""


Parts = Mapping[str, Part]


class Health:
    """Answers for the parts that `parts` looks at."""

    def __init__(
        self, parts: Callable[[], Awaitable[Parts]], metrics: Callable[[], Awaitable[bytes]]
    ) -> None:
        self._parts = parts
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.measured),
        ]

    async def alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def ready(self, _request: web.Request) -> web.Response:
        """200 when the job can be done, degraded parts named; 503 when it cannot."""
        parts = await self._parts()
        is_ready = all(part.state != "down" for part in parts.values())
        said = {
            name: {key: value for key, value in asdict(part).items() if value} for name, part in parts.items()
        }
        return web.json_response({"ready": is_ready, "parts": said}, status=200 if is_ready else 503)

    async def measured(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=await self._metrics(), headers=headers)
