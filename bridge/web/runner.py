"""aiohttp's server as the bridge runs it: within the bounds of `web.hardening`, and quiet about itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import hdrs, http_exceptions, web

from bridge.log_throttle import LogThrottle
from bridge.web.answers import NAME
from bridge.web.hardening import Answering, Connections, Guard

log = structlog.get_logger()


class _Throttled(logging.Filter):
    """Malformed requests are the internet's noise: a line in ten seconds, without what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self._fold = LogThrottle()

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, http_exceptions.HttpProcessingError):
            return True
        self._fold.add(lambda times: log.info("http.malformed", problem=type(error).__name__, times=times))
        return False


_LOGGER: Final = logging.getLogger(__name__)
_LOGGER.addFilter(_Throttled())


class _Handler(web.RequestHandler):
    """Speaks HTTP on one connection, and tells nobody with which versions of what."""

    __slots__ = ()

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Every answer passes here, those to requests that nobody understands, too."""
        resp.headers[hdrs.SERVER] = NAME
        return super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP; `message` repeats it, which may be a feed's address."""
        phrase = HTTPStatus(status).phrase
        return super().handle_error(request, status, exc, f"{phrase}: this is not a valid HTTP request.\n")


class Runner(web.AppRunner):
    """aiohttp's runner whose connections `Connections` bounds; takes any of aiohttp's sites.

    `direct` is a path and who answers a POST to it without the application, whose look-up of a route and
    middlewares cost a good part of what an event does; its body may have `largest_body` bytes. Whatever is
    unusual about such a request (another spelling of the path, `Expect`) takes the application's way.
    """

    def __init__(
        self,
        application: web.Application,
        connections: Connections,
        direct: tuple[str, Answering] | None = None,
        largest_body: int = 1024**2,
    ) -> None:
        self._options: dict[str, Any] = {
            "access_log": None,
            "logger": _LOGGER,
            "auto_decompress": False,
            "keepalive_timeout": connections.bounds.kept,
            "lingering_time": 2.0,
            "max_headers": 64,
            "max_line_size": 4_096,
            "max_field_size": 8_190,
        }
        super().__init__(application, handle_signals=False, **self._options)
        self._connections = connections
        self._path: str = direct[0] if direct else ""
        self._direct: Answering = direct[1] if direct else _nobody
        self._largest_body = largest_body

    async def setup(self) -> None:
        """Make the server, and stand before it."""
        await super().setup()
        made = super().server
        assert made is not None
        self._of_application, self._as_application = made.request_factory, made.request_handler
        made.request_factory, made.request_handler = self._request, self._answer

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        if message.method != "POST" or message.path != self._path or hdrs.EXPECT in message.headers:
            return self._of_application(message, payload, protocol, writer, task)
        loop = asyncio.get_running_loop()
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=self._largest_body
        )

    def _answer(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        is_direct = type(request) is web.BaseRequest  # an application's are a subclass
        return self._connections.answer(request, self._direct if is_direct else self._as_application)

    @property
    def server(self) -> Any:
        """What makes a protocol for each connection; None before `setup`."""
        made = super().server
        return None if made is None else lambda: Guard(self._connections, self._handler(made))

    def _handler(self, server: web.Server) -> web.RequestHandler:
        return _Handler(server, loop=asyncio.get_running_loop(), **self._options)


async def _nobody(_request: web.BaseRequest) -> web.StreamResponse:
    raise web.HTTPNotFound
