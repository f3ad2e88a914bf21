"""Channels, people and history as conversations.* and users.* document them."""

from __future__ import annotations

from slack_sdk.web.async_client import AsyncWebClient

from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_workspace import SCOPES

from .calls import error, refusal


async def test_channels_are_listed_by_kind_and_page(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Public ones by default; private ones as a member; pages until the cursor is empty."""
    slack.add_channel("private", private=True)
    slack.add_channel("hidden", private=True, is_member=False)
    slack.add_channel("old", archived=True)
    for n in range(5):
        slack.add_channel(f"more-{n}")

    async def names(**args: object) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = await client.conversations_list(limit=3, cursor=cursor, **args)  # type: ignore[arg-type]
            found += [channel["name"] for channel in page["channels"]]
            cursor = page["response_metadata"]["next_cursor"]
            if not cursor:
                return found

    more = [f"more-{n}" for n in range(5)]
    assert await names() == ["sales", "old", *more]
    assert await names(exclude_archived=True) == ["sales", *more]
    assert await names(types="private_channel") == ["private"]
    assert await error(client.conversations_list(cursor="zzz")) == "invalid_cursor"
    assert await error(client.conversations_list(limit=1000)) == "invalid_limit"
    assert await error(client.conversations_list(types="secret")) == "invalid_types"
    slack.grant(["channels:read"])
    assert (await refusal(client.conversations_list(types="private_channel")))["needed"] == "groups:read"


async def test_a_channel_can_be_seen_and_joined(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Joining twice is a success with a warning; private channels cannot be joined."""
    channel = slack.add_channel("open", is_member=False)
    private = slack.add_channel("private", private=True)
    channel.members.append("U1")
    assert (await client.conversations_info(channel=channel.id))["channel"]["is_member"] is False
    assert "warning" not in (await client.conversations_join(channel=channel.id)).data
    assert (await client.conversations_join(channel=channel.id))["warning"] == "already_in_channel"
    assert (await client.conversations_members(channel=channel.id))["members"] == ["U1", "U0BRIDGE"]
    assert (
        await error(client.conversations_join(channel=private.id)) == "method_not_supported_for_channel_type"
    )
    private.is_member = False
    assert await error(client.conversations_info(channel=private.id)) == "channel_not_found"


async def test_groups_are_listed_with_the_scope_for_it(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Disabled ones only when asked for; a bot without usergroups:read is refused."""
    slack.add_group("leads", "S0LEADS01")
    slack.add_group("old", "S0OLD0001", disabled=True)
    assert await error(client.usergroups_list()) == "missing_scope"
    slack.grant({*SCOPES, "usergroups:read"})
    shown = (await client.usergroups_list())["usergroups"]
    every = (await client.usergroups_list(include_disabled=True))["usergroups"]
    assert [(one["id"], one["handle"], one["date_delete"]) for one in shown] == [("S0LEADS01", "leads", 0)]
    assert [bool(one["date_delete"]) for one in every] == [False, True]


async def test_a_person_is_found_and_a_conversation_opened(
    slack: SlackStandIn, client: AsyncWebClient
) -> None:
    """By e-mail in any case; the conversation has one id for good."""
    ana = slack.add_user("Ana Lima", "ana@example.com")
    slack.add_user("Gone", "gone@example.com", "U0GONE", deleted=True)
    user = (await client.users_lookupByEmail(email="Ana@Example.com"))["user"]
    assert (user["id"], user["deleted"]) == (ana.id, False)
    assert await error(client.users_lookupByEmail(email="x@example.com")) == "users_not_found"
    assert (await client.users_info(user=ana.id))["user"]["deleted"] is False
    assert (await client.users_info(user="U0GONE"))["user"]["deleted"] is True
    assert await error(client.users_info(user="U0NOBODY")) == "user_not_found"
    assert await error(client.conversations_open(users=ana.id, prevent_creation=True)) == "channel_not_found"
    first = await client.conversations_open(users=[ana.id])
    again = await client.conversations_open(users=ana.id)
    assert first["channel"]["id"] == again["channel"]["id"]
    assert again["already_open"]
    assert await error(client.conversations_open(users="U0GONE")) == "user_disabled"
    assert await error(client.conversations_open(users="U0NOBODY")) == "user_not_found"


async def test_history_is_newest_first_and_without_replies(
    slack: SlackStandIn, client: AsyncWebClient
) -> None:
    """Bounds are exclusive unless inclusive, replies come only when broadcast, pages follow."""
    ts = [(await client.chat_postMessage(channel="C0SALES", text=str(n)))["ts"] for n in range(5)]
    await client.chat_postMessage(channel="C0SALES", text="quiet", thread_ts=ts[0])
    await client.chat_postMessage(channel="C0SALES", text="loud", thread_ts=ts[0], reply_broadcast=True)

    async def texts(**args: object) -> list[str]:
        page = await client.conversations_history(channel="C0SALES", **args)  # type: ignore[arg-type]
        return [message["text"] for message in page["messages"]]

    assert await texts() == ["loud", "4", "3", "2", "1", "0"]
    assert await texts(oldest=ts[1], latest=ts[3]) == ["2"]
    assert await texts(oldest=ts[1], latest=ts[3], inclusive=True) == ["3", "2", "1"]
    page = await client.conversations_history(channel="C0SALES", limit=4)
    assert page["has_more"]
    cursor = page["response_metadata"]["next_cursor"]
    assert await texts(limit=4, cursor=cursor) == ["1", "0"]
    assert await error(client.conversations_history(channel="C0SALES", oldest="soon")) == "invalid_ts_oldest"


async def test_history_needs_scope_and_membership(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """chat:write.public alone lets post and never look."""
    channel = slack.add_channel("open", is_member=False)
    assert await error(client.conversations_history(channel=channel.id)) == "not_in_channel"
    slack.grant(["chat:write"])
    body = await refusal(client.conversations_history(channel="C0SALES"))
    assert (body["error"], body["needed"]) == ("missing_scope", "channels:history")


async def test_metadata_is_told_when_asked_for(client: AsyncWebClient) -> None:
    """Only include_all_metadata brings the payload, which is how a lost delivery is found again."""
    metadata = {"event_type": "booking", "event_payload": {"delivery": "d1"}}
    sent = await client.chat_postMessage(channel="C0SALES", text="x", metadata=metadata)
    plain = await client.conversations_history(channel="C0SALES")
    full = await client.conversations_history(channel="C0SALES", include_all_metadata=True)
    assert plain["messages"][0]["metadata"] == {"event_type": "booking"}
    assert full["messages"][0]["metadata"] == metadata
    assert full["messages"][0]["bot_id"] == sent["message"]["bot_id"]


async def test_a_thread_is_read_parent_first(slack: SlackStandIn, client: AsyncWebClient) -> None:
    """Also the thread of a parent that was deleted, which leaves a placeholder."""
    parent = (await client.chat_postMessage(channel="C0SALES", text="card"))["ts"]
    for n in range(3):
        await client.chat_postMessage(channel="C0SALES", text=str(n), thread_ts=parent)
    thread = await client.conversations_replies(channel="C0SALES", ts=parent)
    assert [message["text"] for message in thread["messages"]] == ["card", "0", "1", "2"]
    assert thread["messages"][0]["reply_count"] == 3
    slack.delete_message("sales", parent)
    left = await client.conversations_replies(channel="C0SALES", ts=parent, limit=2)
    assert [message.get("subtype") for message in left["messages"]] == ["tombstone", None]
    assert left["has_more"]
    assert await error(client.conversations_replies(channel="C0SALES", ts="1.2")) == "thread_not_found"
