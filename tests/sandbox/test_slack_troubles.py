"""Rate limits and faults: what a caller meets, and what the stand-in remembers of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bridge.sandbox.faults import BrokenJson, Drop, Fault, Hang, Latency, RateLimit, Refuse, Status, read
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_limits import Limits, Meter

from .calls import error


async def test_a_burst_is_let_through_and_the_next_one_limited(
    slack: SlackStandIn, client: AsyncWebClient
) -> None:
    """429 with Retry-After in whole seconds, counted as the caller's own doing."""
    slack.limits = Limits()
    for _ in range(5):
        await client.chat_postMessage(channel="#sales", text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="#sales", text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "1"
    assert caught.value.response["error"] == "ratelimited"
    assert (slack.posted, slack.violations, slack.limited[0].reason) == (5, 1, "channel")


def test_limits_count_like_slack() -> None:
    """A second gives a message back; a 429 shuts the method, not the others; tiers are a minute."""
    now = 0.0
    meter = Meter(Limits(channel_burst=2, workspace_rate=10, tolerance=0), clock=lambda: now)

    def reason(method: str, channel: str | None = None) -> str | None:
        refusal = meter.refuse(method, channel)
        return refusal.reason if refusal else None

    post = "chat.postMessage"
    assert [reason(post, "C1") for _ in range(3)] == [None, None, "channel"]
    assert reason(post, "C2") == "blocked"
    assert reason("chat.update", "C1") is None
    now = 1.0
    assert reason(post, "C1") is None
    assert [reason(post, f"C{n}") for n in range(2, 9)] == [None] * 6 + ["workspace"]
    assert meter.refuse(post, "C9") is not None
    now = 61.1
    assert reason(post, "C9") is None
    assert [reason("conversations.list") for _ in range(21)] == [None] * 20 + ["tier"]


def test_a_sender_at_the_exact_rate_is_never_limited() -> None:
    """One message a second with the jitter of a network, for five minutes."""
    now = 0.0
    meter = Meter(Limits(), clock=lambda: now)
    for second in range(300):
        now = second + (0.08 if second % 2 else 0.0)
        assert meter.refuse("chat.postMessage", "C1") is None


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize(
    "kind", [Drop, Status, BrokenJson, lambda accepted: Refuse("internal_error", accepted=accepted)]
)
async def test_a_fault_before_or_after_acceptance(
    slack: SlackStandIn, client: AsyncWebClient, kind: type[Drop], accepted: bool
) -> None:
    """The caller sees a failure either way; only afterwards the message is there, once."""
    slack.fail_next("chat.postMessage", kind(accepted=accepted))
    with pytest.raises((SlackApiError, aiohttp.ClientError)):
        await client.chat_postMessage(channel="#sales", text="x")
    assert slack.posted == int(accepted)
    assert (slack.calls[-1].ts is not None) == accepted
    await client.chat_postMessage(channel="#sales", text="x")
    assert slack.posted == 1 + accepted


async def test_a_hang_outlasts_the_caller(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """The message is stored, the answer never comes."""
    slack.fail_next("chat.postMessage", Hang(30))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.chat_postMessage(channel="#sales", text="x"), 0.2)
    assert slack.posted == 1


async def test_plain_text_where_json_belongs(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """The SDK stumbles over a proxy's 200 text/plain, and so must the bridge's tests."""
    slack.fail_next("chat.postMessage", Status(200, "ok", "text/plain"))
    with pytest.raises(AttributeError):
        await client.chat_postMessage(channel="#sales", text="x")


async def test_an_ordered_429_keeps_the_method_shut(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Sending on while limited is a violation; other methods go on."""
    slack.fail_next("chat.postMessage", RateLimit(1))
    for _ in range(2):
        assert await error(client.chat_postMessage(channel="#sales", text="x")) == "ratelimited"
    assert (await client.auth_test())["ok"]
    assert [limited.reason for limited in slack.limited] == ["fault", "blocked"]
    assert slack.violations == 1


async def test_faults_are_aimed(
    slack: SlackStandIn, client: AsyncWebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By method, number and arguments; a standing fault takes the rest, until cleared."""
    slack.add_channel("ops", "C0OPS")
    slack.fail_next("*", Refuse("fatal_error"), times=None, match=lambda args: args.get("channel") == "C0OPS")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("bridge.sandbox.slack_http.asyncio", SimpleNamespace(sleep=sleep))
    slack.fault = Latency(60)
    assert (await client.chat_postMessage(channel="C0SALES", text="x"))["ok"]
    assert waits == [60]
    for _ in range(2):
        assert await error(client.chat_postMessage(channel="C0OPS", text="x")) == "fatal_error"
    slack.clear_faults()
    assert (await client.chat_postMessage(channel="C0OPS", text="x"))["ok"]


async def test_an_outage_keeps_the_workspace(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Stopped and started again: the same port, the same messages."""
    await client.chat_postMessage(channel="#sales", text="before")
    address = slack.api_url
    await slack.stop()
    with pytest.raises(aiohttp.ClientError):
        await client.auth_test()
    await slack.start()
    await client.chat_postMessage(channel="#sales", text="after")
    assert slack.api_url == address
    assert [message.text for message in slack.messages()] == ["before", "after"]


async def test_the_record_of_calls_is_bounded(session: aiohttp.ClientSession) -> None:
    """A benchmark keeps the last few only, and no call shows the token."""
    slack = SlackStandIn(calls_kept=3)
    slack.add_channel("sales")
    await slack.start()
    client = AsyncWebClient(slack.token, slack.api_url, session=session, retry_handlers=[])
    await asyncio.gather(*(client.chat_postMessage(channel="sales", text=str(n)) for n in range(10)))
    await slack.stop()
    assert (len(slack.calls), slack.posted) == (3, 10)
    assert slack.token not in repr(slack.calls)


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ({"kind": "drop", "accepted": True}, Drop(accepted=True)),
        ({"kind": "rate_limit", "retry_after": 7}, RateLimit(7)),
        ({"kind": "refuse", "code": "is_archived"}, Refuse("is_archived")),
    ],
)
def test_faults_are_read_from_json(order: dict[str, object], fault: Fault) -> None:
    """The control surface names them in words."""
    assert read(order) == fault


def test_a_fault_nobody_knows_is_refused() -> None:
    """With the names that are known."""
    with pytest.raises(ValueError, match=r"no fault 'explode'; known: refuse"):
        read({"kind": "explode"})
    with pytest.raises(ValueError, match="drop has no speed"):
        read({"kind": "drop", "speed": 1})
