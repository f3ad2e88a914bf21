"""POST /webhooks/copera: read, verify, store on disk, answer. Nothing slow happens before the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from bridge.core.reading import VERSION, Envelope, NotAnEvent, read_envelope, unreadable
from bridge.core.signature import Rejected, verify
from bridge.database import Unavailable
from bridge.log_throttle import LogThrottle
from bridge.store.intake import Intake
from bridge.web.answers import problem, ready
from bridge.web.forwarded import Network, client

log = structlog.get_logger()

LARGEST_BODY: Final = 256 * 1024
"""Bytes."""

PATH: Final = "/webhooks/copera"
_PATIENCE: Final = 10.0
_AHEAD: Final = timedelta(hours=1)
"""How far `createdAt` may lie ahead before it is a wrong clock's."""

Observer = Callable[[str, str], None]
"""Told of every request: the event's name ("" when not read) and the outcome."""


class Webhook:
    """The receiver of Copera's webhooks."""

    def __init__(
        self,
        intake: Intake,
        *,
        secrets: Sequence[str],
        retention: timedelta,
        clock: Callable[[], datetime],
        proxies: Sequence[Network] = (),
        observe: Observer = lambda event, outcome: None,
        fail_point: Callable[[str], None] = lambda step: None,
    ) -> None:
        self._intake = intake
        self._secrets = tuple(secrets)
        self._retention = retention
        self._clock = clock
        self._proxies = tuple(proxies)
        self._observe = observe
        self._fail_point = fail_point
        self._log: FilteringBoundLogger = log.bind()  # `log` looks for its configuration each time
        self._unsigned = LogThrottle()
        self._unstored = LogThrottle()
        self._ahead = LogThrottle()

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.receive), web.route("*", PATH, self.explain)]

    async def explain(self, _request: web.BaseRequest) -> web.Response:
        """What this address is for, to somebody who opens it in a browser."""
        message = "This address takes Copera's booking webhooks, by POST. Enter it as the receiver in Copera."
        return problem(405, "method_not_allowed", message, {"Allow": "POST"})

    async def receive(self, request: web.BaseRequest) -> web.StreamResponse:
        """202 stored, 200 already known, 400, 401, 413, 503: as the guide on webhooks wants them.

        Copera takes a 4xx as final and tries a 5xx again, three times in all. So what is signed but is no
        event is refused, yet only when it is kept: nobody could have it again.
        """
        try:
            body = _complete(request) if request.content.is_eof() else await _arriving(request)
            verify(request.headers.getall("X-Copera-Signature", []), body, secrets=self._secrets)
        except TimeoutError:
            self._observe("", "timeout")  # no 4xx, which Copera takes as final: it may be we who stop here
            message = "The request took too long to arrive; send it again."
            return problem(503, "timeout", message, {"Retry-After": "5", "Connection": "close"})
        except web.HTTPRequestEntityTooLarge:
            return self._refuse(413, "too_large", f"The body is over {LARGEST_BODY} bytes.")
        except Rejected as reason:
            self._tell_unsigned(str(reason), client(request, self._proxies))
            return self._refuse(401, "bad_signature", "The signature is missing or does not fit the body.")
        version, now = request.headers.get("X-Copera-Webhook-Version", VERSION), self._clock()
        try:
            envelope = read_envelope(body, version)
        except NotAnEvent as reason:
            kept = await self._store(request, unreadable(body, reason), body, version, now)
            message = f"This is not a booking event: {reason}."
            return problem(400, "not_an_event", message) if kept.status < 500 else kept
        if envelope.at and (refused := self._refuse_time(envelope, envelope.at, now)):
            return refused
        return await self._store(request, envelope, body, version, now)

    def _refuse_time(self, envelope: Envelope, at: datetime, now: datetime) -> web.Response | None:
        """The answer to an event that is too old to be told from a repeat; None when it is not."""
        if at < now - self._retention:
            why = "createdAt is older than the retention"
            log.warning("event.refused", event_id=envelope.id, booking=envelope.booking_id, problem=why)
            return self._refuse(400, "too_old", "createdAt is older than this bridge remembers events.")
        if at > now + _AHEAD:  # until then it overrules what comes after it
            remedy = "compare this machine's clock with Copera's: `booking-bridge doctor` does"
            self._ahead.add(
                lambda times: log.warning(
                    "event.from_the_future",
                    event_id=envelope.id,
                    booking=envelope.booking_id,
                    remedy=remedy,
                    times=times,
                )
            )
        return None

    async def _store(
        self, request: web.BaseRequest, envelope: Envelope, body: bytes, version: str, now: datetime
    ) -> web.StreamResponse:
        """Have it on disk; the answer that says so, or 503."""
        self._fail_point("storing")
        begun = time.monotonic()
        try:
            is_new = await self._intake.accept(envelope, body, version, "webhook", now)
        except Unavailable as reason:
            self._tell_unstored(envelope, str(reason))
            self._observe(envelope.event, "not_stored")
            message = "The event could not be stored; send it again."
            return problem(503, "not_stored", message, {"Retry-After": "5"})
        self._fail_point("stored")
        outcome = "unrecognised" if envelope.problem else "stored" if is_new else "known"
        self._observe(envelope.event, outcome)
        tell = self._log.warning if envelope.problem else self._log.info
        tell(
            "event.received",
            event_id=envelope.id,
            booking=envelope.booking_id or None,
            event_name=envelope.event or None,
            outcome=outcome,
            problem=envelope.problem or None,
            milliseconds=round((time.monotonic() - begun) * 1000),
        )
        said = b'{"event": "%b", "outcome": "%b"}' % (envelope.id.encode(), outcome.encode())
        return ready(request, 202 if is_new else 200, said)

    def _refuse(self, status: int, error: str, message: str) -> web.Response:
        self._observe("", error)
        return problem(status, error, message)

    def _tell_unsigned(self, reason: str, address: str) -> None:
        self._unsigned.add(
            lambda times: log.warning("signature.refused", problem=reason, client=address, times=times)
        )

    def _tell_unstored(self, envelope: Envelope, reason: str) -> None:
        self._unstored.add(
            lambda times: log.error(
                "event.not_stored",
                event_id=envelope.id,
                booking=envelope.booking_id,
                problem=reason,
                times=times,
            )
        )


def _complete(request: web.BaseRequest) -> bytes:
    """A body that is all here already. Raises HTTPRequestEntityTooLarge."""
    body = request.content.read_nowait()
    if len(body) > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, len(body))
    return body


async def _arriving(request: web.BaseRequest) -> bytes:
    """A body once it is here. Raises TimeoutError, HTTPRequestEntityTooLarge."""
    if (request.content_length or 0) > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, request.content_length or 0)
    async with asyncio.timeout(_PATIENCE):
        return await request.read()
