"""The feeds alone in an aiohttp application."""

from __future__ import annotations

from aiohttp import web

from bridge.web.answers import errors_as_json
from bridge.web.feeds import Feeds

SECRET = "s" * 40
PUBLIC = "https://bridge.example.com"


def application(feeds: Feeds) -> web.Application:
    made = web.Application(middlewares=[errors_as_json])
    made.add_routes(feeds.routes())
    return made
