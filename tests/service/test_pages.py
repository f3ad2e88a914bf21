"""Lists that Slack gives in pages: read to their end, and never without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.core.retry import Verdict, problem
from bridge.core.slack_values import Purpose
from bridge.slack import CallError, Slack

Next = Callable[[str], str]
"""The cursor that a page gives, by the one that it was asked with."""

NEXT: dict[str, Next] = {
    "two pages": lambda cursor: "" if cursor else "a",
    "the second again": lambda cursor: "a",
    "round and round": lambda cursor: {"": "a", "a": "b", "b": "a"}[cursor],
    "ever on": lambda cursor: f"{cursor}a",
}


@asynccontextmanager
async def listing(following: Next, asked: list[str]) -> AsyncIterator[Slack]:
    """A Slack with one channel, or message, a page."""

    async def answer(request: web.Request) -> web.Response:
        cursor = request.query.get("cursor", "") or str((await request.post()).get("cursor", ""))
        asked.append(cursor)
        page = {"channels": [{"id": f"C{len(asked)}", "name": "x"}], "messages": []}
        metadata = {"next_cursor": following(cursor)}
        return web.json_response({"ok": True, **page, "response_metadata": metadata})

    application = web.Application()
    application.router.add_route("*", "/api/{method}", answer)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield Slack(session, token="xoxb-1", api_url=str(server.make_url("/api/")), webhooks={})


async def test_channels_are_read_to_the_end() -> None:
    asked: list[str] = []
    async with listing(NEXT["two pages"], asked) as slack:
        assert [channel.id for channel in await slack.channels()] == ["C1", "C2"]
    assert asked == ["", "a"]


@pytest.mark.parametrize(("name", "pages"), [("the second again", 2), ("round and round", 3)])
async def test_pages_that_begin_anew_are_not_read_for_ever(name: str, pages: int) -> None:
    """It may be the moment's trouble; the error says of which method."""
    asked: list[str] = []
    async with listing(NEXT[name], asked) as slack:
        with pytest.raises(CallError) as told:
            await slack.channels()
        with pytest.raises(CallError):
            await slack.find("C1", Purpose("d", "card"), datetime.now(UTC))
    assert len(asked) == 2 * pages
    assert told.value.outcome.verdict is Verdict.TRANSIENT
    assert problem(told.value.outcome).startswith("answer_repeats (conversations.list): Slack, or the way")


async def test_a_workspace_with_more_channels_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy needs no list."""
    monkeypatch.setattr("bridge.slack._CHANNEL_PAGES", 3)
    asked: list[str] = []
    async with listing(NEXT["ever on"], asked) as slack:
        with pytest.raises(CallError) as told:
            await slack.channels()
    assert len(asked) == 3
    assert problem(told.value.outcome) == "too_many_channels: use the channel's id (C…) instead of its name"
