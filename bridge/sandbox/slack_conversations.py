"""The conversations.* methods.

Sources: the docs.slack.dev page of each method. Ours, where they are silent: a conversation with
several people at once (mpim) is not served, and a limit out of range is invalid_limit.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from bridge.sandbox.slack_chat import Args, Body, Handler, as_json, required, truthy
from bridge.sandbox.slack_workspace import (
    BOT_USER,
    Channel,
    SlackError,
    Workspace,
)

Item = TypeVar("Item")

_READ = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "im": "im:read",
    "mpim": "mpim:read",
}
_HISTORY = {"public_channel": "channels:history", "private_channel": "groups:history", "im": "im:history"}


def _cursor(value: str) -> str:
    return base64.b64encode(f"next:{value}".encode()).decode()


def _position(args: Args) -> str | None:
    """Return what the cursor points at, None for the first page."""
    cursor = args.get("cursor")
    if not cursor:
        return None
    try:
        kind, _, value = base64.b64decode(str(cursor), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise SlackError("invalid_cursor") from None
    if kind != "next":
        raise SlackError("invalid_cursor")
    return value


def _limit(args: Args, default: int, most: int) -> int:
    value = args.get("limit")
    if value in (None, ""):
        return default
    try:
        limit = int(str(value))
    except ValueError:
        raise SlackError("invalid_limit") from None
    if not 1 <= limit <= most:
        raise SlackError("invalid_limit")
    return limit


def _page(every: Sequence[Item], args: Args, limit: int) -> tuple[Sequence[Item], Body]:
    """Return one page of a list and the response_metadata that leads to the next."""
    position = _position(args) or "0"
    if not position.isdecimal():
        raise SlackError("invalid_cursor")
    end = int(position) + limit
    following = _cursor(str(end)) if end < len(every) else ""
    return every[int(position) : end], {"next_cursor": following}


def _visible(team: Workspace, args: Args, scopes: Mapping[str, str]) -> Channel:
    """Return the channel asked for, if the app may know it and holds the scope for its kind."""
    channel = team.channels.get(required(args, "channel"))
    if channel is None or (channel.private and not channel.is_member):
        raise SlackError("channel_not_found")
    team.require(scopes[channel.kind])
    return channel


def _as_json(channel: Channel) -> Body:
    if channel.user:
        return {"id": channel.id, "is_im": True, "user": channel.user, "is_archived": channel.archived}
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.private,
        "is_group": channel.private,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_frozen": False,
        "is_member": channel.is_member,
        "num_members": len(channel.members) + channel.is_member,
    }


def list_channels(team: Workspace, args: Args) -> Body:
    """conversations.list: `{channels, response_metadata: {next_cursor}}`; private ones only as a member."""
    kinds = str(args.get("types") or "public_channel").replace(" ", "").split(",")
    if set(kinds) - _READ.keys():
        raise SlackError("invalid_types")
    for kind in kinds:
        team.require(_READ[kind])
    live_only = truthy(args.get("exclude_archived"))
    found = [
        channel
        for channel in team.channels.values()
        if channel.kind in kinds
        and not (channel.private and not channel.is_member)
        and not (channel.archived and live_only)
    ]
    page, metadata = _page(found, args, _limit(args, 100, 999))
    return {"channels": [_as_json(channel) for channel in page], "response_metadata": metadata}


def info(team: Workspace, args: Args) -> Body:
    """conversations.info: `{channel}`."""
    return {"channel": _as_json(_visible(team, args, _READ))}


def join(team: Workspace, args: Args) -> Body:
    """conversations.join: `{channel}`, with the warning already_in_channel when nothing changed."""
    team.require("channels:join")
    channel = team.channels.get(required(args, "channel"))
    if channel is None or (channel.private and not channel.is_member):
        raise SlackError("channel_not_found")
    if channel.private:
        raise SlackError("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackError("is_archived")
    if channel.is_member:
        warning = "already_in_channel"
        metadata = {"warnings": [warning]}
        return {"channel": _as_json(channel), "warning": warning, "response_metadata": metadata}
    channel.is_member = True
    return {"channel": _as_json(channel)}


def open_conversation(team: Workspace, args: Args) -> Body:
    """conversations.open: `{channel: {id}}` of the app's direct conversation with one person."""
    team.require("im:write")
    if args.get("channel"):
        return {"channel": {"id": _visible(team, args, _READ).id}, "no_op": True, "already_open": True}
    users = args.get("users") or ""
    names = users if isinstance(users, list) else [name for name in str(users).split(",") if name.strip()]
    if not names:
        raise SlackError("users_list_not_supplied")
    if len(names) > 1:
        raise SlackError("too_many_users" if len(names) > 8 else "invalid_user_combination")
    user = team.users.get(str(names[0]).strip())
    if user is None:
        raise SlackError("user_not_found")
    if user.deleted:
        raise SlackError("user_disabled")
    known = team.has_dm(user)
    if not known and truthy(args.get("prevent_creation")):
        raise SlackError("channel_not_found")
    channel = team.open_dm(user)
    shown = _as_json(channel) if truthy(args.get("return_im")) else {"id": channel.id}
    return {"channel": shown} | ({"no_op": True, "already_open": True} if known else {})


def members(team: Workspace, args: Args) -> Body:
    """conversations.members: `{members: [user id], response_metadata}`."""
    channel = _visible(team, args, _READ)
    everyone = [channel.user] if channel.user else list(channel.members)
    if channel.is_member:
        everyone.append(BOT_USER)
    page, metadata = _page(everyone, args, _limit(args, 100, 1000))
    return {"members": list(page), "response_metadata": metadata}


def _ts(args: Args, name: str, default: str) -> str:
    """Return a time argument in the form of a message's ts, so that text compares as time."""
    value = args.get(name)
    if value in (None, "", "now"):
        return default
    try:
        micro = int(Decimal(str(value)) * 1_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        raise SlackError(f"invalid_ts_{name}") from None
    return f"{micro // 1_000_000:010d}.{micro % 1_000_000:06d}"


def _within(timeline: Sequence[str], args: Args) -> Sequence[str]:
    """Return the part between `oldest` and `latest`, those two themselves only when `inclusive`."""
    oldest, latest = _ts(args, "oldest", "0"), _ts(args, "latest", "9")
    if truthy(args.get("inclusive")):
        return timeline[bisect_left(timeline, oldest) : bisect_right(timeline, latest)]
    return timeline[bisect_right(timeline, oldest) : bisect_left(timeline, latest)]


def history(team: Workspace, args: Args) -> Body:
    """conversations.history: `{messages, has_more, response_metadata}`, newest first, no replies
    but broadcast ones."""
    channel = _visible(team, args, _HISTORY)
    if not channel.is_member:
        raise SlackError("not_in_channel")
    found = _within(channel.timeline, args)
    before = _position(args)
    if before is not None:
        found = found[: bisect_left(found, before)]
    limit = _limit(args, 100, 999)
    page = found[-limit:]
    more = len(found) > limit
    full = truthy(args.get("include_all_metadata"))
    return {
        "messages": [_in_channel(channel, ts, full) for ts in reversed(page)],
        "has_more": more,
        "pin_count": 0,
        "response_metadata": {"next_cursor": _cursor(page[0]) if more else ""},
    }


def replies(team: Workspace, args: Args) -> Body:
    """conversations.replies: `{messages, has_more, response_metadata}`, the parent and then its
    replies, oldest first."""
    channel = _visible(team, args, _HISTORY)
    if not channel.is_member:
        raise SlackError("not_in_channel")
    message = channel.messages.get(required(args, "ts"))
    if message is None or (message.deleted and message.ts not in channel.threads):
        raise SlackError("thread_not_found")
    parent = message.thread_ts or message.ts
    thread = [parent, *_within(channel.threads.get(parent, []), args)]
    page, metadata = _page(thread, args, _limit(args, 1000, 1000))
    full = truthy(args.get("include_all_metadata"))
    return {
        "messages": [_in_channel(channel, ts, full) for ts in page],
        "has_more": bool(metadata["next_cursor"]),
        "response_metadata": metadata,
    }


def _in_channel(channel: Channel, ts: str, metadata: bool) -> Body:
    body = as_json(channel.messages[ts], metadata=metadata)
    thread = channel.threads.get(ts)
    if thread:
        body |= {"thread_ts": ts, "reply_count": len(thread), "latest_reply": thread[-1]}
    return body


METHODS: Mapping[str, Handler] = {
    "conversations.list": list_channels,
    "conversations.info": info,
    "conversations.join": join,
    "conversations.open": open_conversation,
    "conversations.members": members,
    "conversations.history": history,
    "conversations.replies": replies,
}
