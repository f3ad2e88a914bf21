"""A mirror with bookings, and the feeds of it over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest
from aiohttp import ClientResponse, ClientSession, DummyCookieJar
from aiohttp.test_utils import TestServer

from bridge.core.feeds.calendar import View
from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import FeedTokens, Options
from bridge.web.feeds import Feeds
from tests.feeds.serving import PUBLIC, SECRET, application
from tests.mirror.conftest import Workshop, stand_in, workshop

__all__ = ["stand_in", "workshop"]


class Site:
    """The feeds of a workshop, and a client without opinions."""

    def __init__(self, workshop: Workshop, feeds: Feeds, server: TestServer, session: ClientSession) -> None:
        self.workshop = workshop
        self.feeds = feeds
        self.server = server
        self.session = session
        self.tokens = FeedTokens(SECRET)

    def path(self, who: Who = ALL, options: Options | None = None, generation: int = 0) -> str:
        """The path of an address's page."""
        return f"/feeds/{self.tokens.token(who.key, generation, options or Options())}"

    def view(self, who: Who = ALL, options: Options | None = None) -> View:
        """How an address shows bookings."""
        return self.feeds._cache.view(who, options or Options())

    async def get(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[ClientResponse, bytes]:
        """An answer and its body, as it came over the wire."""
        url = self.server.make_url(path)
        async with self.session.request(
            method, url, headers=headers, skip_auto_headers=["Accept-Encoding"]
        ) as response:
            return response, await response.read()

    async def calendar(self, who: Who = ALL, options: Options | None = None) -> bytes:
        """A feed's bytes, with what changed just now."""
        self.feeds.invalidate()
        response, body = await self.get(self.path(who, options) + ".ics")
        assert response.status == 200, body
        return body


@pytest.fixture
async def site(workshop: Workshop) -> AsyncIterator[Site]:
    feeds = Feeds(
        workshop.database,
        secret=SECRET,
        public_url=PUBLIC,
        past_days=90,
        overdue=timedelta(minutes=15),
        clock=workshop.clock,
    )
    server = TestServer(application(feeds))
    await server.start_server()
    async with ClientSession(auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
        yield Site(workshop, feeds, server, session)
    await server.close()
