"""Slack: the only module that speaks to it, through slack_sdk; answers with an outcome, never retries.

The SDK's own retries are off: by default it sends a message again after a dropped connection, and
people see it twice. Facts from docs.slack.dev (chat.postMessage, chat.update, conversations.history).

Longer than a module should be, so that all that is said to Slack can be read in one place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web import async_base_client
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook import async_client as async_webhook
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bridge.core.json_body import loads
from bridge.core.messages.messages import Rendered
from bridge.core.retry import Outcome, Verdict
from bridge.core.slack_answers import api_outcome, webhook_outcome
from bridge.core.slack_values import METADATA, Channel, Group, Identity, Purpose, read_channel, read_group

TIMEOUT: Final = 8.0
"""Seconds one call may take, shorter than a claim's lease."""

TOO_LONG: Final = "history_too_long"
"""Ours: a conversation has more messages than are looked through."""

TOO_MANY: Final = "too_many_channels"
"""Ours: the workspace has more channels than are looked through."""

ENDLESS: Final = "answer_repeats"
"""Ours: Slack's pages lead to a page that was read already."""

_PAGES: Final = 25
_CHANNEL_PAGES: Final = 100
_NOT_UNDERSTOOD: Final = (SlackRequestError, AttributeError, ValueError, TypeError, KeyError, RecursionError)
_SENT_NOTHING: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

for _module in (async_base_client, async_webhook):
    # Below, it logs bodies and webhook addresses; where no level is set, it writes them out for nothing.
    logging.getLogger(_module.__name__).setLevel(logging.WARNING)

Observer = Callable[[str, str, float], None]
"""Told of every call: Slack's method (or "webhook"), "ok" or the error, and the seconds it took."""


class Answer(aiohttp.ClientResponse):
    """Slack answers a post with the whole message: the session's answers, with the fast decoder."""

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: Callable[[str], Any] = loads,
        content_type: str | None = "application/json",
    ) -> Any:
        return await super().json(encoding=encoding, loads=loads, content_type=content_type)


class CallError(Exception):
    """A call that is not a delivery failed; `outcome` says how."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.error)


class Slack:
    """One workspace through one bot token, and the incoming webhooks that the settings name."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        token: str | None,
        api_url: str,
        webhooks: Mapping[str, str],
        observe: Observer = lambda method, outcome, seconds: None,
    ) -> None:
        self._session = session
        self._observe = observe
        self._webhooks = dict(webhooks)
        self.has_token = bool(token)
        self._client = AsyncWebClient(
            token=token, base_url=api_url, session=session, retry_handlers=[], trust_env_in_session=True
        )

    async def post(
        self,
        channel: str,
        message: Rendered,
        purpose: Purpose,
        *,
        thread_ts: str | None = None,
        broadcast: bool = False,
    ) -> Outcome:
        """Post a message, in a thread when `thread_ts` names its parent."""
        arguments: dict[str, object] = {
            "channel": channel,
            "text": message.text,
            "metadata": purpose.metadata(),
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if message.blocks:
            arguments["blocks"] = message.blocks
        if message.attachments:
            arguments["attachments"] = message.attachments
        if thread_ts:
            arguments |= {"thread_ts": thread_ts, "reply_broadcast": broadcast}
        return await self._deliver("chat.postMessage", arguments)

    async def edit(self, channel: str, ts: str, message: Rendered) -> Outcome:
        """Replace a message's content; its metadata stays. May be repeated safely."""
        arguments: dict[str, object] = {
            "channel": channel,
            "ts": ts,
            "text": message.text[:4000],
            "blocks": message.blocks,
            "attachments": message.attachments,
            "parse": "none",
            "link_names": False,
        }
        return await self._deliver("chat.update", arguments)

    async def post_webhook(self, name: str, message: Rendered) -> Outcome:
        """Post through an incoming webhook, which answers with plain text and no ts."""
        address = self._webhooks.get(name)
        if address is None:
            return Outcome(Verdict.DESTINATION, "no_webhook", detail=f"SLACK_WEBHOOK_{name}")
        client = AsyncWebhookClient(address, session=self._session, retry_handlers=[])

        async def call() -> Outcome:
            answer = await client.send(
                text=message.text,
                blocks=message.blocks or None,
                attachments=message.attachments or None,
                unfurl_links=False,
                unfurl_media=False,
            )
            return webhook_outcome(answer.status_code, answer.body, answer.headers)

        return await self._timed("webhook", call)

    async def find(
        self, channel: str, purpose: Purpose, since: datetime, *, thread_ts: str | None = None
    ) -> str | None:
        """The ts of the message posted for this purpose, None when it is not there. Raises CallError.

        So it does, too, when there are more messages since then than can be read: it may be among them.
        """
        async for part, ts in self._parts(channel, since, thread_ts):
            if part == (purpose.delivery, purpose.part):
                return ts
        return None

    async def posted(self, channel: str, since: datetime) -> dict[tuple[str, str], str]:
        """The ts of what was posted there since then, by delivery and part; no replies. Raises CallError."""
        return {part: ts async for part, ts in self._parts(channel, since)}

    async def _parts(
        self, channel: str, since: datetime, thread_ts: str | None = None
    ) -> AsyncIterator[tuple[tuple[str, str], str]]:
        """Delivery and part, and the ts, of each message of ours; those in a thread, if one is given."""
        arguments = _history(channel, since)
        method = "conversations.history" if thread_ts is None else "conversations.replies"
        call: Callable[..., Awaitable[Any]] = self._client.conversations_history
        if thread_ts is not None:
            call, arguments["ts"] = self._client.conversations_replies, thread_ts
        async for data in self._pages(method, call, arguments, most=_PAGES, too_many=TOO_LONG):
            for message in data.get("messages") or []:
                payload = (message.get("metadata") or {}).get("event_payload") or {}
                if payload.get("delivery"):
                    yield (str(payload["delivery"]), str(payload.get("part"))), str(message["ts"])

    async def told(self, channel: str, since: datetime) -> frozenset[str]:
        """The ids of the events that this app's latest messages there since then are about.

        Another bridge's messages do not count, with a token of its own. Raises CallError.
        """
        bot = (await self.identity()).bot
        arguments = _history(channel, since)
        data = await self._read("conversations.history", self._client.conversations_history, arguments)
        messages = [one for one in data.get("messages") or [] if one.get("bot_id", bot) == bot]
        metadata = [message.get("metadata") or {} for message in messages]
        ours = [one.get("event_payload") or {} for one in metadata if one.get("event_type") == METADATA]
        return frozenset(str(payload["event"]) for payload in ours if payload.get("event"))

    async def identity(self) -> Identity:
        """Whose token it is (auth.test). Raises CallError."""
        data = await self._read("auth.test", self._client.auth_test, {})
        scopes = data.get("_scopes", "")
        granted = frozenset(filter(None, (scope.strip() for scope in scopes.split(","))))
        team, user, bot = (str(data.get(name, "")) for name in ("team", "user", "bot_id"))
        return Identity(team, user, bot, granted)

    async def user_by_email(self, email: str) -> str:
        """The id of the active user with this e-mail, "" when there is none. Raises CallError."""
        try:
            data = await self._read("users.lookupByEmail", self._client.users_lookupByEmail, {"email": email})
        except CallError as problem:
            if problem.outcome.error == "users_not_found":
                return ""
            raise
        user = data.get("user") or {}
        return "" if user.get("deleted") else str(user.get("id", ""))

    async def has_user(self, user: str) -> bool:
        """Whether somebody active has this id. Raises CallError."""
        try:
            data = await self._read("users.info", self._client.users_info, {"user": user})
        except CallError as problem:
            if problem.outcome.error in {"user_not_found", "user_not_visible"}:
                return False
            raise
        return not (data.get("user") or {}).get("deleted")

    async def groups(self) -> Sequence[Group]:
        """All user groups of the workspace, disabled ones included. Raises CallError."""
        arguments = {"include_disabled": True}
        data = await self._read("usergroups.list", self._client.usergroups_list, arguments)
        return [read_group(item) for item in data.get("usergroups") or []]

    async def direct_channel(self, user: str) -> str:
        """The id (D…) of the direct conversation with a user. Raises CallError."""
        data = await self._read("conversations.open", self._client.conversations_open, {"users": user})
        return str((data.get("channel") or {}).get("id", ""))

    async def channels(self, *, private: bool = True) -> Sequence[Channel]:
        """All channels the token can see, archived ones included. Raises CallError."""
        types = "public_channel,private_channel" if private else "public_channel"
        arguments = {"types": types, "limit": 999}
        method, call = "conversations.list", self._client.conversations_list
        pages = self._pages(method, call, arguments, most=_CHANNEL_PAGES, too_many=TOO_MANY)
        return [read_channel(item) async for data in pages for item in data.get("channels") or []]

    async def _pages(
        self,
        method: str,
        call: Callable[..., Awaitable[Any]],
        arguments: Mapping[str, Any],
        *,
        most: int,
        too_many: str,
    ) -> AsyncIterator[dict[str, Any]]:
        """Page after page. Raises CallError: also when they begin anew, or with `too_many` after so many."""
        cursors: list[str] = []
        while len(cursors) < most:
            data = await self._read(method, call, {**arguments, "cursor": cursors[-1] if cursors else None})
            yield data
            cursor = str((data.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return
            if cursor in cursors:
                raise CallError(Outcome(Verdict.TRANSIENT, ENDLESS, detail=method))
            cursors.append(cursor)
        raise CallError(Outcome(Verdict.DESTINATION, too_many))

    async def _read(
        self, method: str, call: Callable[..., Awaitable[Any]], arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}

        async def read() -> Outcome:
            response = await call(**arguments)
            answer.update(response.data if isinstance(response.data, dict) else {})
            headers = {key.lower(): value for key, value in response.headers.items()}
            answer["_scopes"] = headers.get("x-oauth-scopes", "")
            return Outcome(Verdict.SENT)

        outcome = await self._timed(method, read)
        if outcome.verdict is not Verdict.SENT:
            raise CallError(outcome)
        return answer

    async def _deliver(self, method: str, arguments: Mapping[str, object]) -> Outcome:
        """Call a method that changes messages. Half the time of the SDK's own wrapper for it."""
        if not self.has_token:
            return Outcome(Verdict.DESTINATION, "no_slack_token")

        async def send() -> Outcome:
            data = (await self._client.api_call(method, json=dict(arguments))).data
            if not isinstance(data, dict):
                return Outcome(Verdict.UNKNOWN, "answer_not_json")
            if not data.get("channel") or not data.get("ts"):  # nothing could be edited or answered there
                return Outcome(Verdict.UNKNOWN, "answer_incomplete")
            return Outcome(Verdict.SENT, channel=str(data["channel"]), ts=str(data["ts"]))

        return await self._timed(method, send)

    async def _timed(self, method: str, call: Callable[[], Awaitable[Outcome]]) -> Outcome:
        begun = time.monotonic()
        try:
            outcome = await call()
        except SlackApiError as problem:
            outcome = api_outcome(problem.response)
        except _SENT_NOTHING as problem:
            outcome = Outcome(Verdict.TRANSIENT, "network_no_connection", detail=type(problem).__name__)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            outcome = Outcome(Verdict.UNKNOWN, "network_no_answer", detail=type(problem).__name__)
        except _NOT_UNDERSTOOD as problem:
            outcome = Outcome(Verdict.UNKNOWN, "answer_not_understood", detail=type(problem).__name__)
        self._observe(method, outcome.error or "ok", time.monotonic() - begun)
        return outcome


def _history(channel: str, since: datetime) -> dict[str, Any]:
    """What to ask a conversation's history with."""
    oldest = f"{since.timestamp():.6f}"
    return {"channel": channel, "oldest": oldest, "include_all_metadata": True, "limit": 200}
