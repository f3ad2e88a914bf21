"""Incoming webhooks: one secret address posts to one channel and answers plain text.

Sources: docs.slack.dev "Sending messages using incoming webhooks" and the 2016-05-17 changelog for
the statuses. Ours: the statuses of no_text, no_service and invalid_blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from bridge.sandbox.slack_chat import read_content
from bridge.sandbox.slack_records import Message
from bridge.sandbox.slack_workspace import TEAM, Channel, SlackError, Workspace

STATUSES = {
    "invalid_token": 403,
    "action_prohibited": 403,
    "channel_not_found": 404,
    "no_service": 404,
    "channel_is_archived": 410,
    "rollup_error": 500,
}
"""The HTTP status of each error body; 400 for the rest."""


@dataclass(frozen=True, slots=True)
class Hook:
    """An incoming webhook; `path` is secret."""

    name: str
    channel: Channel
    path: str


class Hooks:
    """The workspace's incoming webhooks."""

    def __init__(self, team: Workspace) -> None:
        self._team = team
        self._by_path: dict[str, Hook] = {}
        self._by_name: dict[str, Hook] = {}

    def add(self, name: str, channel: str) -> Hook:
        """Make a webhook for a channel, which is made too when there is none of that name."""
        target = self._team.find(channel) or self._team.add_channel(channel)
        hook = Hook(name, target, f"/services/{TEAM}/B0HOOK{len(self._by_name)}/{name.lower()}-secret")
        self._by_name[name] = self._by_path[hook.path] = hook
        return hook

    def get(self, name: str) -> Hook | None:
        """Return the webhook of this name."""
        return self._by_name.get(name)

    def at(self, path: str) -> Hook:
        """Return the webhook of this address; no_service or, for a wrong secret, invalid_token."""
        hook = self._by_path.get(path)
        if hook is not None:
            return hook
        near = path.rpartition("/")[0]
        known = any(other.rpartition("/")[0] == near for other in self._by_path)
        raise SlackError("invalid_token" if known else "no_service")

    def read(self, body: bytes, content_type: str) -> Mapping[str, Any]:
        """Return the payload, sent as JSON or in a form's `payload`; invalid_payload otherwise."""
        try:
            text = body.decode()
            if content_type == "application/x-www-form-urlencoded":
                text = parse_qs(text)["payload"][0]
            payload = json.loads(text)
        except (ValueError, KeyError):
            raise SlackError("invalid_payload") from None
        if not isinstance(payload, dict):
            raise SlackError("invalid_payload")
        return payload

    def post(self, hook: Hook, payload: Mapping[str, Any]) -> Message:
        """Post as the webhook: text, blocks, attachments and thread_ts count, all else is ignored."""
        if hook.channel.archived:
            raise SlackError("channel_is_archived")
        content = read_content(self._team, payload)
        if not (content.text.strip() or content.blocks or content.attachments):
            raise SlackError("no_text")
        thread_ts = payload.get("thread_ts")
        if thread_ts is not None and thread_ts not in hook.channel.messages:
            raise SlackError("invalid_payload")
        return self._team.store(hook.channel, content, "U0HOOK", f"webhook:{hook.name}", thread_ts=thread_ts)
