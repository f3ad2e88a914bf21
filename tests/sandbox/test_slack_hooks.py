"""Incoming webhooks: plain text in both directions of an answer."""

from __future__ import annotations

import aiohttp
import pytest
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bridge.sandbox.faults import Refuse
from bridge.sandbox.slack import SlackStandIn


@pytest.fixture
def hook(slack: SlackStandIn, session: aiohttp.ClientSession) -> AsyncWebhookClient:
    """The real SDK on the webhook OPS, which posts to #ops."""
    return AsyncWebhookClient(slack.webhook_url("OPS"), session=session, retry_handlers=[])


async def test_a_message_is_posted_to_the_hooks_channel(
    slack: SlackStandIn, hook: AsyncWebhookClient
) -> None:
    """The answer is `ok`, without any id; the channel was decided when the hook was made."""
    answer = await hook.send(text="hello")
    assert (answer.status_code, answer.body) == (200, "ok")
    assert [(m.channel, m.text, m.via) for m in slack.messages()] == [("#ops", "hello", "webhook:OPS")]
    assert slack.webhook_url("OPS") == hook.url


async def test_errors_are_bare_words(slack: SlackStandIn, hook: AsyncWebhookClient) -> None:
    """With the published statuses; and on order."""
    answer = await hook.send(text="")
    assert (answer.status_code, answer.body) == (400, "no_text")
    answer = await hook.send(text="x", blocks=[{"type": "x"}])
    assert (answer.status_code, answer.body) == (400, "invalid_blocks")
    slack.fail_next("webhook", Refuse("rollup_error"))
    answer = await hook.send(text="x")
    assert (answer.status_code, answer.body) == (500, "rollup_error")
    slack.channel("ops").archived = True
    answer = await hook.send(text="x")
    assert (answer.status_code, answer.body) == (410, "channel_is_archived")


async def test_a_wrong_address(slack: SlackStandIn, session: aiohttp.ClientSession) -> None:
    """A wrong secret is invalid_token, an unknown hook no_service, nonsense invalid_payload."""
    url = slack.webhook_url("OPS")
    for address, status, word in (
        (url + "x", 403, "invalid_token"),
        (slack.url + "/services/T1/B1/x", 404, "no_service"),
    ):
        async with session.post(address, json={"text": "x"}) as response:
            assert (response.status, await response.text()) == (status, word)
    async with session.post(url, data=b"{") as response:
        assert (response.status, await response.text()) == (400, "invalid_payload")
