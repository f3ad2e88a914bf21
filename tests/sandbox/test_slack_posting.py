"""Posting, editing and deleting as chat.* documents it."""

from __future__ import annotations

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bridge.sandbox.slack import SlackStandIn

from .calls import error, refusal

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "hello", "verbatim": True}}
METADATA = {"event_type": "booking", "event_payload": {"delivery": "d1"}}


async def test_a_post_is_stored_and_answered_with_its_place(
    slack: SlackStandIn, client: AsyncWebClient
) -> None:
    """The channel's name goes in, its id comes out; ts rises and the message can be inspected."""
    first = await client.chat_postMessage(channel="#sales", text="one", blocks=[SECTION], metadata=METADATA)
    second = await client.chat_postMessage(channel="C0SALES", text="two")

    assert first["channel"] == "C0SALES"
    assert second["ts"] > first["ts"]
    one, two = slack.messages("#sales")
    assert (one.channel, one.ts, one.text, one.metadata) == ("#sales", first["ts"], "one", METADATA)
    assert one.blocks == (SECTION,)
    assert (one.order, two.order) == (1, 2)
    assert slack.posted == 2


async def test_scopes_come_with_every_answer(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """auth.test tells who the app is, and the header which scopes it holds."""
    slack.grant(["chat:write", "channels:read"])
    answer = await client.auth_test()
    assert answer["bot_id"]
    assert answer.headers["x-oauth-scopes"] == "chat:write,channels:read"


async def test_a_missing_scope_is_named(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """missing_scope says what is needed and what there is."""
    slack.grant(["channels:read"])
    body = await refusal(client.chat_postMessage(channel="#sales", text="x"))
    assert (body["error"], body["needed"], body["provided"]) == (
        "missing_scope",
        "chat:write",
        "channels:read",
    )


async def test_tokens(slack: SlackStandIn, client: AsyncWebClient, session: aiohttp.ClientSession) -> None:
    """No token, a wrong one, a revoked one, and the same one restored."""
    async with session.post(slack.api_url + "auth.test") as response:
        assert (await response.json())["error"] == "not_authed"
    wrong = AsyncWebClient("xoxb-wrong", slack.api_url, session=session, retry_handlers=[])
    assert await error(wrong.auth_test()) == "invalid_auth"
    slack.revoke_token()
    assert await error(client.auth_test()) == "token_revoked"
    slack.restore_token()
    assert (await client.auth_test())["ok"]


async def test_where_the_app_may_post(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Private channels need the id and membership, public ones membership or chat:write.public."""
    private = slack.add_channel("secret", private=True)
    hidden = slack.add_channel("hidden", private=True, is_member=False)
    public = slack.add_channel("open", is_member=False)
    old = slack.add_channel("old", archived=True)

    assert (await client.chat_postMessage(channel=private.id, text="x"))["channel"] == private.id
    assert await error(client.chat_postMessage(channel="#secret", text="x")) == "channel_not_found"
    assert await error(client.chat_postMessage(channel=hidden.id, text="x")) == "channel_not_found"
    assert await error(client.chat_postMessage(channel="#nowhere", text="x")) == "channel_not_found"
    assert await error(client.chat_postMessage(channel=old.id, text="x")) == "is_archived"
    assert (await client.chat_postMessage(channel="open", text="x"))["channel"] == public.id
    slack.grant(["chat:write"])
    assert await error(client.chat_postMessage(channel="open", text="x")) == "not_in_channel"


async def test_a_person_is_written_to_directly(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """A user id opens the app's DM, whose D id is answered and found again by name or address."""
    ana = slack.add_user("Ana Lima", "ana@example.com")
    gone = slack.add_user("Gone", "gone@example.com", deleted=True)
    answer = await client.chat_postMessage(channel=ana.id, text="hello")

    assert answer["channel"].startswith("D")
    assert [m.channel for m in slack.messages("@Ana Lima")] == ["@Ana Lima"]
    assert slack.messages("ANA@example.com") == slack.messages(ana.id) == slack.messages(answer["channel"])
    assert await error(client.chat_postMessage(channel=gone.id, text="x")) == "channel_not_found"


async def test_a_form_serves_as_well_as_json(slack: SlackStandIn, session: aiohttp.ClientSession) -> None:
    """In a form, blocks and metadata are JSON in text."""
    form = {"channel": "#sales", "text": "x", "blocks": '[{"type":"divider"}]', "token": slack.token}
    async with session.post(slack.api_url + "chat.postMessage", data=form) as response:
        assert (await response.json())["ok"]
    assert slack.messages("#sales")[0].blocks == ({"type": "divider"},)
    form["blocks"] = "[{"
    async with session.post(slack.api_url + "chat.postMessage", data=form) as response:
        assert (await response.json())["error"] == "invalid_blocks_format"


async def test_threads(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Replies hang on an existing parent, broadcast when asked; strangers and replies are no parents."""
    parent = (await client.chat_postMessage(channel="#sales", text="card"))["ts"]
    reply = await client.chat_postMessage(
        channel="#sales", text="moved", thread_ts=parent, reply_broadcast=True
    )
    card, _ = slack.messages("#sales")
    assert [(m.text, m.thread_ts, m.broadcast) for m in slack.replies(card)] == [("moved", parent, True)]
    for ts in ("1700000000.000001", reply["ts"]):
        call = client.chat_postMessage(channel="#sales", text="x", thread_ts=ts)
        assert await error(call) == "cannot_reply_to_message"


async def test_an_update_replaces_what_is_given(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Text alone removes blocks; metadata and attachments stay; the history of edits is kept."""
    bar = [{"color": "good", "blocks": [SECTION]}]
    sent = await client.chat_postMessage(
        channel="#sales", text="a", blocks=[SECTION], attachments=bar, metadata=METADATA
    )
    ts = sent["ts"]
    answer = await client.chat_update(channel="C0SALES", ts=ts, text="b")
    assert (answer["ts"], answer["text"]) == (ts, "b")
    message = slack.messages()[0]
    assert (message.text, message.blocks, message.metadata) == ("b", (), METADATA)
    assert len(message.attachments) == 1
    await client.chat_update(channel="C0SALES", ts=ts, text="c", attachments=[], metadata={})
    message = slack.messages()[0]
    assert (message.attachments, message.metadata) == ((), None)
    assert [edit.before.text for edit in message.edits] == ["a", "b"]


async def test_what_cannot_be_updated(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Other people's messages, unknown ones, channels by name, over-long text, nothing at all."""
    sent = await client.chat_postMessage(channel="#sales", text="a")
    theirs = slack.say("#sales", "U1", "mine")
    update = client.chat_update
    assert await error(update(channel="C0SALES", ts=theirs.ts, text="x")) == "cant_update_message"
    assert await error(update(channel="C0SALES", ts="1.000001", text="x")) == "message_not_found"
    assert await error(update(channel="#sales", ts=sent["ts"], text="x")) == "channel_not_found"
    assert await error(update(channel="C0SALES", ts=sent["ts"], text="x" * 4001)) == "msg_too_long"
    assert await error(update(channel="C0SALES", ts=sent["ts"], blocks=[], text=" ")) == "no_text"
    slack.channel("sales").archived = True
    assert await error(update(channel="C0SALES", ts=sent["ts"], text="x")) == "is_inactive"


async def test_a_card_somebody_deleted_is_gone(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """It can be neither edited nor answered, and only the full list still has it."""
    sent = await client.chat_postMessage(channel="#sales", text="card")
    slack.delete_message("#sales", sent["ts"])
    assert await error(client.chat_update(channel="C0SALES", ts=sent["ts"], text="x")) == "message_not_found"
    reply = client.chat_postMessage(channel="C0SALES", text="x", thread_ts=sent["ts"])
    assert await error(reply) == "cannot_reply_to_message"
    assert slack.messages() == []
    assert [message.deleted for message in slack.messages(deleted=True)] == [True]


async def test_the_app_deletes_and_links_its_messages(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """chat.getPermalink answers Slack's kind of address, chat.delete removes."""
    sent = await client.chat_postMessage(channel="#sales", text="card")
    link = await client.chat_getPermalink(channel="C0SALES", message_ts=sent["ts"])
    assert link["permalink"].endswith(f"/archives/C0SALES/p{sent['ts'].replace('.', '')}")
    await client.chat_delete(channel="C0SALES", ts=sent["ts"])
    gone = client.chat_getPermalink(channel="C0SALES", message_ts=sent["ts"])
    assert await error(gone) == "message_not_found"


async def test_text_without_blocks_is_assembled_and_long_text_cut(client: AsyncWebClient) -> None:
    """Slack puts a text together from blocks, and cuts a post after 40,000 characters with a warning."""
    sent = await client.chat_postMessage(channel="#sales", blocks=[SECTION])
    assert sent["message"]["text"] == "hello"
    cut = await client.chat_postMessage(channel="#sales", text="x" * 40_001)
    assert (len(cut["message"]["text"]), cut["warning"]) == (40_000, "message_truncated")


async def test_mistakes_of_a_client(client: AsyncWebClient) -> None:
    """Nothing to say, no channel, a method nobody knows."""
    assert await error(client.chat_postMessage(channel="#sales", text=" ")) == "no_text"
    assert await error(client.api_call("chat.postMessage", json={"text": "x"})) == "invalid_arguments"
    assert await error(client.api_call("chat.shout", json={})) == "unknown_method"


async def test_callback_and_waiting(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Every change of a message is told at once, and a test can wait for a state."""
    seen: list[tuple[str, int]] = []
    slack.on_message = lambda message: seen.append((message.text, len(message.edits)))
    sent = await client.chat_postMessage(channel="#sales", text="a")
    await client.chat_update(channel="C0SALES", ts=sent["ts"], text="b")
    assert seen == [("a", 0), ("b", 1)]
    await slack.wait_for(lambda slack: slack.posted == 1)
    with pytest.raises(TimeoutError, match=r"chat\.update: ok"):
        await slack.wait_for(lambda slack: slack.posted == 2, timeout=0.01)
