"""Calendar feeds over HTTP: the calendar itself, and a page that helps to subscribe to it.

An address that is not ours, was revoked or is malformed gets one and the same 404. A feed whose state
is known is always answered with 200 or 304: calendars switch off what answers with an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import structlog
from aiohttp import hdrs, web

from bridge.core.feeds.feeds import Who, client
from bridge.core.feeds.tokens import FeedTokens, Options
from bridge.database import Database, Unavailable
from bridge.store.bookings import Bookings
from bridge.store.feeds import FeedStore, Fetch
from bridge.store.names import TOPIC
from bridge.web.answers import problem
from bridge.web.conditional import Parts, accepts_gzip, validators
from bridge.web.feed_cache import FeedCache, Shown, feed_key
from bridge.web.feed_page import NOTHING, Page, nothing, render

log = structlog.get_logger()

_MAX_AGE: Final = 60
_RETRY_AFTER: Final = 30
_FLUSH: Final = 10.0
_WORTH_ZIPPING: Final = 1_000
_PRIVATE: Final = {
    hdrs.CACHE_CONTROL: f"private, max-age={_MAX_AGE}",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    hdrs.VARY: hdrs.ACCEPT_ENCODING,
}
_NEVER_KEPT: Final = {**_PRIVATE, hdrs.CACHE_CONTROL: "private, no-store"}
_TRY_AGAIN: Final = {**_NEVER_KEPT, hdrs.RETRY_AFTER: str(_RETRY_AFTER)}
_CALENDAR: Final = "text/calendar; charset=utf-8"
_UPCOMING: Final = 5
_MOST_TOKENS: Final = 4_096

_client = lru_cache(maxsize=1024)(client)


class NoSuchFeed(Exception):
    """The address is not one of ours."""


class NotYet(Exception):
    """The feed exists or may exist, and nothing is known of it yet."""


class Feeds:
    """The handlers of feed addresses. Run `run` as a task: it writes down who fetched what.

    When the mirror is `overdue`, refreshed so long ago, the page says so.
    """

    def __init__(
        self,
        database: Database,
        *,
        secret: str,
        public_url: str,
        past_days: int,
        overdue: timedelta,
        clock: Callable[[], datetime],
        observe: Callable[[int, str], None] = lambda status, client: None,
    ) -> None:
        self._tokens = FeedTokens(secret)
        self._cache = FeedCache(database, self._tokens, clock=clock, past_days=past_days)
        self._database = database
        self._store = FeedStore(database)
        self._bookings = Bookings(database)
        self._public_url = public_url.rstrip("/")
        self._overdue = overdue
        self._clock = clock
        self._observe = observe
        self._fetched: dict[str, Shown] = {}
        self._known: dict[str, tuple[Who, Options]] = {}
        self._known_under = self._cache.registry

    def routes(self) -> list[web.RouteDef]:
        """The routes; GET answers HEAD, too."""
        return [web.get("/feeds/{token}.ics", self._calendar), web.get("/feeds/{token}", self._page)]

    def invalidate(self) -> None:
        """The mirror changed: look before the next answer."""
        self._cache.invalidate()

    async def listen(self) -> None:
        """Look at the mirror when another replica tells that it changed, for ever."""
        while True:
            await self._database.wait(TOPIC, _FLUSH)
            self.invalidate()

    async def run(self) -> None:
        """Write down fetches every few seconds, for ever, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(_FLUSH)
                await self._flush()
        finally:
            await self._flush()

    async def _flush(self) -> None:
        taken = [(shown, shown.fetched) for shown in self._fetched.values()]
        self._fetched = {}
        for shown, _ in taken:
            shown.fetched = {}
        try:
            await self._store.record(
                Fetch(shown.who, shown.view.options, name, at)
                for shown, fetched in taken
                for name, at in fetched.items()
            )
        except Unavailable as trouble:
            log.warning("feeds.fetches_not_stored", reason=str(trouble))
            for shown, fetched in taken:
                shown.fetched = {**fetched, **shown.fetched}
                self._fetched[shown.key] = shown

    async def _find(self, token: str) -> tuple[Who, Options]:
        """Whom an address shows and how. Raises NoSuchFeed, NotYet, Unavailable."""
        await self._cache.look()
        if self._known_under is not self._cache.registry or len(self._known) > _MOST_TOKENS:
            self._known, self._known_under = {}, self._cache.registry
        known = self._known.get(token)
        if known is not None:
            return known
        claim = self._tokens.read(token)
        who, generation = self._cache.registry.get(claim.handle, (None, 0))
        if not self._tokens.verify(claim, generation):
            raise NoSuchFeed
        if self._cache.refreshed_at is None:
            raise NotYet
        if who is None:
            raise NoSuchFeed
        self._known[token] = who, claim.options
        return who, claim.options

    async def _calendar(self, request: web.Request) -> web.Response:
        agent = _client(request.headers.get(hdrs.USER_AGENT, ""))
        try:
            response = await self._feed(request, *await self._find(request.match_info["token"]))
        except NoSuchFeed:
            response = problem(404, "not_found", "There is nothing at this address.", _NEVER_KEPT)
        except (NotYet, Unavailable):
            response = problem(503, "not_yet", "The bookings are being read. Try again soon.", _TRY_AGAIN)
        self._observe(response.status, agent.name)
        return response

    async def _page(self, request: web.Request) -> web.Response:
        try:
            return await self._show_page(request, *await self._find(request.match_info["token"]))
        except NoSuchFeed:
            return _html(404, nothing(again=0), NOTHING.policy, _NEVER_KEPT)
        except (NotYet, Unavailable):
            return _html(503, nothing(again=_RETRY_AFTER), NOTHING.policy, _TRY_AGAIN)

    async def _feed(self, request: web.Request, who: Who, options: Options) -> web.Response:
        now = self._clock()
        shown = await self._cache.get(who, options, now)
        self._note(shown, _client(request.headers.get(hdrs.USER_AGENT, "")).name, now)
        body = shown.body
        assert body is not None, "a feed from the cache is built"
        known = shown.validators
        told = known is not None and known.plain == body.etag and known.changed_at == shown.modified
        if known is None or not told or now >= known.until:
            known = shown.validators = validators(body.etag, shown.modified, now, self._cache.seen)
        zips = body.size >= _WORTH_ZIPPING and accepts_gzip(request)
        headers = {**_PRIVATE, **known.headers, hdrs.ETAG: known.etag(zips=zips)}
        if known.known_to(request):
            return web.Response(status=304, headers=headers)
        headers[hdrs.CONTENT_TYPE] = _CALENDAR
        if zips:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
            return web.Response(body=await self._cache.zipped(shown, body), headers=headers)
        whole = body.data if body.is_small else Parts(body.parts)
        return web.Response(body=whole, headers=headers)

    def _note(self, shown: Shown, client_name: str, now: datetime) -> None:
        """Remember who fetched, to be written down soon."""
        shown.fetched[client_name] = now
        self._fetched[shown.key] = shown

    async def _show_page(self, request: web.Request, who: Who, options: Options) -> web.Response:
        now = self._clock()
        view = self._cache.view(who, options)
        entries = await self._bookings.upcoming(who, now, _UPCOMING)
        fetches = {
            fetch.client: fetch.at for fetch in await self._store.fetches(who) if fetch.options == options
        }
        if (shown := self._fetched.get(feed_key(who, options))) is not None:
            fetches |= shown.fetched
        address = f"{self._public_url}/feeds/{request.match_info['token']}.ics"
        read_at = self._cache.refreshed_at
        stale = read_at if read_at is not None and now - read_at > self._overdue else None
        page = Page(self._cache.name(who), address, options, entries, view, fetches, now, stale)
        return _html(200, render(page), render.policy, _NEVER_KEPT)


def _html(status: int, text: str, policy: str, headers: Mapping[str, str]) -> web.Response:
    headers = {**headers, "Content-Security-Policy": policy}
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)
