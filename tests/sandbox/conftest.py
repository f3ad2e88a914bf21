"""A Slack and a Copera of one's own, and clients of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_load import populate
from bridge.sandbox.slack import SlackStandIn


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session that waits two seconds at most."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        yield session


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    """A workspace with the public channel #sales."""
    slack = SlackStandIn()
    slack.add_channel("sales", "C0SALES")
    await slack.start()
    yield slack
    await slack.stop()


@pytest.fixture
def client(
    slack: SlackStandIn, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> AsyncWebClient:
    """The real SDK, without its own retries, quiet about messages that have no text."""
    monkeypatch.setenv("SKIP_SLACK_SDK_WARNING", "1")
    return AsyncWebClient(slack.token, slack.api_url, session=session, retry_handlers=[])


@pytest.fixture
async def copera() -> AsyncIterator[CoperaStandIn]:
    """A workspace with five hosts and three booking types."""
    copera = CoperaStandIn()
    populate(copera.calendar)
    await copera.start()
    yield copera
    await copera.stop()
