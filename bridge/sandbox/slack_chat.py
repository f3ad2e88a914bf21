"""The chat.* methods: posting, editing, deleting and linking to messages.

Sources: docs.slack.dev "chat.postMessage", "chat.update", "chat.delete", "chat.getPermalink".
Ours, where they are silent: an unknown, deleted or non-parent `thread_ts` is cannot_reply_to_message
(only when strict: a reply's `thread_ts`), and a post to a person who left is channel_not_found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridge.sandbox import slack_blocks
from bridge.sandbox.slack_records import Content, Message
from bridge.sandbox.slack_workspace import APP, BOT, BOT_USER, TEAM, TEAM_URL, Channel, SlackError, Workspace

Args = Mapping[str, Any]
Body = dict[str, Any]
Handler = Callable[[Workspace, Args], Body]

POST_LIMIT = 40_000
"""Characters of text after which chat.postMessage cuts."""
UPDATE_LIMIT = 4_000
"""Characters of text after which chat.update refuses."""


def truthy(value: Any) -> bool:
    """Read a boolean of JSON, a form or a query."""
    return value in (True, 1, "1", "true", "True")


def required(args: Args, name: str) -> str:
    """Return a text argument; invalid_arguments when it is missing."""
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise SlackError.explained("invalid_arguments", [f"missing required field: {name}"])
    return value


def structured(args: Args, name: str, error: str) -> Any:
    """Return an argument that is JSON, whether sent as JSON or, in a form, as its text."""
    value = args.get(name)
    if not isinstance(value, str):
        return value
    if not value:
        return None
    try:
        return json.loads(value)
    except ValueError:
        raise SlackError(error) from None


def post_message(team: Workspace, args: Args) -> Body:
    """chat.postMessage: `{channel, ts, message}`, `channel` being the id that was posted to."""
    team.require("chat:write")
    if "username" in args or "icon_emoji" in args or "icon_url" in args:
        team.require("chat:write.customize")
    channel = _destination(team, required(args, "channel"))
    content = read_content(team, args)
    if _is_empty(content):
        raise SlackError("no_text")
    metadata = _metadata(args)
    thread_ts, broadcast = _thread(team, channel, args)
    truncated = len(content.text) > POST_LIMIT
    said = (content.text or assembled(content.blocks))[:POST_LIMIT]
    message = team.store(
        channel,
        Content(said, content.blocks, content.attachments),
        BOT_USER,
        "chat.postMessage",
        thread_ts=thread_ts,
        broadcast=broadcast,
        metadata=metadata or None,
        username=args.get("username"),
    )
    body: Body = {"channel": channel.id, "ts": message.ts, "message": as_json(message, metadata=True)}
    if truncated:
        body |= {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}
    return body


def update(team: Workspace, args: Args) -> Body:
    """chat.update: `{channel, ts, text, message}`. Metadata and attachments stay unless given."""
    team.require("chat:write")
    channel = _by_id(team, required(args, "channel"))
    message = _own(team, channel, required(args, "ts"), "cant_update_message")
    if channel.archived:
        raise SlackError("is_inactive")
    given = read_content(team, args)
    if len(given.text) > UPDATE_LIMIT:
        raise SlackError("msg_too_long")
    says_text, says_blocks = bool(given.text.strip()), args.get("blocks") is not None
    content = Content(
        text=given.text if says_text else assembled(given.blocks) if given.blocks else message.text,
        blocks=given.blocks if says_text or says_blocks else message.blocks,
        attachments=given.attachments if args.get("attachments") is not None else message.attachments,
    )
    if not (says_text or given.blocks or given.attachments):
        raise SlackError("no_text")
    metadata = _metadata(args)
    edited = team.edit(message, content, message.metadata if metadata is None else metadata or None)
    return {
        "channel": channel.id,
        "ts": edited.ts,
        "text": edited.text,
        "message": as_json(edited, metadata=True),
    }


def delete(team: Workspace, args: Args) -> Body:
    """chat.delete: `{channel, ts}`."""
    team.require("chat:write")
    channel = _by_id(team, required(args, "channel"))
    message = _own(team, channel, required(args, "ts"), "cant_delete_message")
    team.delete(message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(team: Workspace, args: Args) -> Body:
    """chat.getPermalink: `{channel, permalink}`; needs no scope."""
    channel = _by_id(team, required(args, "channel"))
    message = channel.messages.get(required(args, "message_ts"))
    if message is None or message.deleted:
        raise SlackError("message_not_found")
    link = f"{TEAM_URL}archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts is not None:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def read_content(team: Workspace, args: Args) -> Content:
    """Read and check text, blocks and attachments."""
    text = args.get("text")
    markdown = args.get("markdown_text")
    blocks = structured(args, "blocks", "invalid_blocks_format") or []
    attachments = structured(args, "attachments", "invalid_attachments") or []
    if markdown is not None:
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        if len(markdown) > slack_blocks.MAX_CHARACTERS:
            raise SlackError("msg_too_long")
        blocks = [{"type": "markdown", "text": markdown}]
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if not isinstance(attachments, list):
        raise SlackError("invalid_attachments")
    if team.strict:
        check_content(blocks, attachments)
    return Content(text if isinstance(text, str) else "", tuple(blocks), tuple(attachments))


def check_content(blocks: list[Any], attachments: list[Any]) -> None:
    """Raise what Slack answers when blocks or attachments break Block Kit's rules."""
    if blocks and (problems := slack_blocks.block_problems(blocks)):
        raise SlackError.explained("invalid_blocks", problems)
    if len(attachments) > slack_blocks.MAX_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    if attachments and (problems := slack_blocks.attachment_problems(attachments)):
        raise SlackError.explained("invalid_attachments", problems)
    attached = [part.get("blocks", []) for part in attachments]
    if slack_blocks.characters(blocks) + slack_blocks.characters(attached) > slack_blocks.MAX_CHARACTERS:
        raise SlackError("msg_blocks_too_long")


def assembled(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the blocks, as Slack puts one together for a message without text."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, Mapping):
            if isinstance(value.get("text"), str):
                found.append(value["text"])
            for key in ("text", "fields", "elements"):
                walk(value.get(key))
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)

    walk(blocks)
    return " ".join(found)


def as_json(message: Message, *, metadata: bool) -> Body:
    """Return a message as Slack's API shows it; without `metadata` only its event_type is told."""
    body: Body = {"type": "message", "user": message.author, "text": message.text, "ts": message.ts}
    if message.deleted:
        body |= {"subtype": "tombstone", "text": "This message was deleted.", "hidden": True}
        return body | {"user": "USLACKBOT", "thread_ts": message.ts}
    if message.via != "person":
        bot = BOT if message.via == "chat.postMessage" else message.via.replace("webhook:", "B0HOOK")
        body |= {"team": TEAM, "bot_id": bot, "app_id": APP}
    if message.thread_ts is not None:
        body["thread_ts"] = message.thread_ts
    if message.broadcast:
        body["subtype"] = "thread_broadcast"
    if message.blocks:
        body["blocks"] = list(message.blocks)
    if message.attachments:
        body["attachments"] = list(message.attachments)
    if message.edits and not message.blocks:
        body["edited"] = {"user": message.author, "ts": f"{message.edits[-1].at:.6f}"}
    if message.metadata is not None:
        known = message.metadata if metadata else {"event_type": message.metadata.get("event_type")}
        body["metadata"] = dict(known)
    return body


def _is_empty(content: Content) -> bool:
    return not (content.text.strip() or content.blocks or content.attachments)


def _metadata(args: Args) -> Mapping[str, Any] | None:
    """Return the metadata given: None when left out, {} to remove what there is."""
    metadata = structured(args, "metadata", "invalid_metadata_format")
    if metadata is None or metadata == {}:
        return metadata  # type: ignore[no-any-return]
    error = slack_blocks.metadata_error(metadata)
    if error is not None:
        raise SlackError(error)
    return metadata  # type: ignore[no-any-return]


def _destination(team: Workspace, name: str) -> Channel:
    """Find where to post: an id, a public channel's name, or a person's id for the app's DM."""
    user = team.users.get(name)
    if user is not None and not user.deleted:
        return team.open_dm(user)
    channel = None if name.startswith("@") or "@" in name else team.find(name)
    if channel is None or (channel.private and (name != channel.id or not channel.is_member)):
        raise SlackError("channel_not_found")
    if channel.archived:
        raise SlackError("is_archived")
    if not channel.is_member and "chat:write.public" not in team.scopes:
        raise SlackError("not_in_channel")
    return channel


def _by_id(team: Workspace, channel_id: str) -> Channel:
    channel = team.channels.get(channel_id)
    if channel is None or (channel.private and not channel.is_member):
        raise SlackError("channel_not_found")
    return channel


def _own(team: Workspace, channel: Channel, ts: str, refusal: str) -> Message:
    message = channel.messages.get(ts)
    if message is None or message.deleted:
        raise SlackError("message_not_found")
    if message.via != "chat.postMessage":
        raise SlackError(refusal)
    return message


def _thread(team: Workspace, channel: Channel, args: Args) -> tuple[str | None, bool]:
    """Return the parent's ts and whether the reply is broadcast."""
    thread_ts = args.get("thread_ts")
    if not thread_ts:
        return None, False
    parent = channel.messages.get(str(thread_ts))
    if parent is None or parent.deleted or (parent.is_reply and team.strict):
        raise SlackError("cannot_reply_to_message")
    return parent.thread_ts or parent.ts, truthy(args.get("reply_broadcast"))


METHODS: Mapping[str, Handler] = {
    "chat.postMessage": post_message,
    "chat.update": update,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
}
