"""Calendar feeds over HTTP: the calendar itself, and a page that helps to subscribe to it.

An address that is not ours, was revoked or is malformed gets one and the same 404. A feed whose state
is known is always answered with 200 or 304: calendars switch off what answers with an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from bridge.core.feeds import Who, client
from bridge.core.tokens import Options, Seals
from bridge.database import Database, Unavailable
from bridge.store.bookings import Bookings
from bridge.store.feeds import FeedStore, Fetch
from bridge.web.answers import problem
from bridge.web.feed_page import Page, render
from bridge.web.feed_shelf import Shelf, Shown

log = structlog.get_logger()

_MAX_AGE: Final = 60
_RETRY_AFTER: Final = 30
_FLUSH: Final = 10.0
_MOST_FETCHES: Final = 10_000
_WORTH_ZIPPING: Final = 1_000
_PRIVATE: Final = {
    hdrs.CACHE_CONTROL: f"private, max-age={_MAX_AGE}",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    hdrs.VARY: hdrs.ACCEPT_ENCODING,
}
_NEVER_KEPT: Final = {**_PRIVATE, hdrs.CACHE_CONTROL: "private, no-store"}
_CALENDAR: Final = "text/calendar; charset=utf-8"
_UPCOMING: Final = 5
_IN_ONE_PIECE: Final = 2 * 2**20
_MOST_TOKENS: Final = 4_096

_client = lru_cache(maxsize=1024)(client)


class Parts(Payload):
    """A body in pieces, which are never put together: each is written when the one before has gone out."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        super().__init__(parts)
        self._size = sum(map(len, parts))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._value:
            await writer.write(part)


class NoSuchFeed(Exception):
    """The address is not one of ours."""


class NotYet(Exception):
    """The feed exists or may exist, and nothing is known of it yet."""


class Feeds:
    """The handlers of feed addresses. Run `run` as a task: it writes down who fetched what."""

    def __init__(
        self,
        database: Database,
        *,
        secret: str,
        public_url: str,
        past_days: int,
        clock: Callable[[], datetime],
        observe: Callable[[int, str], None] = lambda status, client: None,
    ) -> None:
        self._seals = Seals(secret)
        self._shelf = Shelf(database, self._seals, clock=clock, past_days=past_days)
        self._store = FeedStore(database)
        self._bookings = Bookings(database)
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._observe = observe
        self._fetched: dict[tuple[Who, Options, str], datetime] = {}
        self._known: dict[str, tuple[Who, Options]] = {}
        self._known_under = self._shelf.registry

    def routes(self) -> list[web.RouteDef]:
        """The routes; GET answers HEAD, too."""
        return [web.get("/feeds/{token}.ics", self._calendar), web.get("/feeds/{token}", self._page)]

    def invalidate(self) -> None:
        """The mirror changed: look before the next answer."""
        self._shelf.invalidate()

    async def run(self) -> None:
        """Write down fetches every few seconds, for ever, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(_FLUSH)
                await self._flush()
        finally:
            await self._flush()

    async def _flush(self) -> None:
        fetched, self._fetched = self._fetched, {}
        try:
            await self._store.record([Fetch(*key, at) for key, at in fetched.items()])
        except Unavailable as trouble:
            log.warning("feeds.fetches_not_stored", reason=str(trouble))
            self._fetched = {**fetched, **self._fetched}

    async def _find(self, token: str) -> tuple[Who, Options]:
        """Whom an address shows and how. Raises NoSuchFeed, NotYet, Unavailable."""
        await self._shelf.look()
        if self._known_under is not self._shelf.registry or len(self._known) > _MOST_TOKENS:
            self._known, self._known_under = {}, self._shelf.registry
        known = self._known.get(token)
        if known is not None:
            return known
        claim = self._seals.read(token)
        who, generation = self._shelf.registry.get(claim.handle, (None, 0))
        if not self._seals.holds(claim, generation):
            raise NoSuchFeed
        if not self._shelf.is_filled:
            raise NotYet
        if who is None:
            raise NoSuchFeed
        self._known[token] = who, claim.options
        return who, claim.options

    async def _calendar(self, request: web.Request) -> web.Response:
        agent = _client(request.headers.get(hdrs.USER_AGENT, ""))
        response = await self._answer(request, self._feed)
        self._observe(response.status, agent.name)
        return response

    async def _page(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._show_page)

    async def _answer(
        self,
        request: web.Request,
        show: Callable[[web.Request, Who, Options], Awaitable[web.Response]],
    ) -> web.Response:
        try:
            found = await self._find(request.match_info["token"])
            return await show(request, *found)
        except NoSuchFeed:
            return problem(404, "not_found", "There is nothing at this address.", _NEVER_KEPT)
        except (NotYet, Unavailable):
            headers = {**_NEVER_KEPT, hdrs.RETRY_AFTER: str(_RETRY_AFTER)}
            return problem(503, "not_yet", "The bookings are being read. Try again soon.", headers)

    async def _feed(self, request: web.Request, who: Who, options: Options) -> web.Response:
        shown = await self._shelf.get(who, options)
        self._note(request, who, options)
        body = shown.body
        assert body is not None, "a feed from the shelf is built"
        zips = body.size >= _WORTH_ZIPPING and _accepts_gzip(request)
        etag = f'{body.etag[:-1]}-gz"' if zips else body.etag
        modified = self._modified(shown)
        headers = {**_PRIVATE, hdrs.ETAG: etag, hdrs.LAST_MODIFIED: _http_date(modified)}
        if _is_known(request, body.etag, modified):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = _CALENDAR
        if zips:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            return web.Response(body=await self._shelf.zipped(shown), headers=headers)
        whole = body.data if body.size <= _IN_ONE_PIECE else Parts(body.parts)
        return web.Response(body=whole, headers=headers)

    def _modified(self, shown: Shown) -> datetime:
        """Last-Modified, in whole seconds.

        What aged out left at midnight. A second that is not over may see another change, so it is never
        named: who asks with it would miss that change.
        """
        now = self._clock().replace(microsecond=0)
        midnight = now.replace(hour=0, minute=0, second=0)
        return min(max(shown.modified.replace(microsecond=0), midnight), now - timedelta(seconds=1))

    def _note(self, request: web.Request, who: Who, options: Options) -> None:
        agent = _client(request.headers.get(hdrs.USER_AGENT, ""))
        if len(self._fetched) < _MOST_FETCHES:
            self._fetched[who, options, agent.name] = self._clock()

    async def _show_page(self, request: web.Request, who: Who, options: Options) -> web.Response:
        now = self._clock()
        view = self._shelf.view(who, options)
        entries = await self._bookings.upcoming(who, now, _UPCOMING)
        fetches = {
            fetch.client: fetch.at for fetch in await self._store.fetches(who) if fetch.options == options
        }
        for (feed, shown, name), at in self._fetched.items():
            if (feed, shown) == (who, options):
                fetches[name] = at
        address = f"{self._public_url}/feeds/{request.match_info['token']}.ics"
        page = Page(self._shelf.name(who), address, options, entries, view, fetches, now)
        headers = {**_NEVER_KEPT, "Content-Security-Policy": render.policy}
        return web.Response(text=render(page), content_type="text/html", headers=headers)


@lru_cache(maxsize=4096)
def _http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _accepts_gzip(request: web.Request) -> bool:
    """Whether the client takes gzip (RFC 9110 §12.5.3)."""
    for item in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        name, _, quality = item.partition(";")
        if name.strip() in {"gzip", "x-gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _is_known(request: web.Request, etag: str, modified: datetime) -> bool:
    """Whether the client has these bytes, in either encoding (RFC 9110 §13.1.2, §13.1.3)."""
    said = request.headers.get(hdrs.IF_NONE_MATCH)
    if said is not None:
        ours = {etag, f'{etag[:-1]}-gz"', "*"}
        return any(item.strip().removeprefix("W/") in ours for item in said.split(","))
    since = request.if_modified_since
    return since is not None and modified <= since
