"""A Slack workspace in memory: people, channels, messages and threads, with the app's rights in it.

It knows nothing of HTTP. Sources: docs.slack.dev, "chat.postMessage" (who may post where) and
"Modifying messages" (what a deletion leaves behind).
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.sandbox.slack_records import Content, Edit, Message

TEAM = "T0SANDBOX"
TEAM_NAME = "Sandbox"
TEAM_URL = "https://sandbox.slack.com/"
APP = "A0SANDBOX"
BOT = "B0SANDBOX"
BOT_USER = "U0BRIDGE"

SCOPES = (
    "chat:write",
    "chat:write.public",
    "channels:read",
    "groups:read",
    "im:read",
    "channels:history",
    "groups:history",
    "im:history",
    "channels:join",
    "im:write",
    "users:read",
    "users:read.email",
    "incoming-webhook",
)
"""What the app is granted unless a test says otherwise."""


class SlackError(Exception):
    """A method's refusal: Slack's error code and what else stands in the answer's body."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details

    @classmethod
    def explained(cls, code: str, problems: list[str]) -> SlackError:
        """Return an error with Slack's list of reasons, as invalid_blocks carries it."""
        metadata = {"messages": [f"[ERROR] {problem}" for problem in problems]}
        return cls(code, errors=problems, response_metadata=metadata)


@dataclass(frozen=True, slots=True)
class User:
    """A person (or the app's own bot user)."""

    id: str
    name: str
    email: str = ""
    deleted: bool = False
    tz: str = "Etc/UTC"


@dataclass(frozen=True, slots=True)
class Group:
    """A user group, which messages mention as `<!subteam^ID>`."""

    id: str
    handle: str
    disabled: bool = False


@dataclass(slots=True, eq=False)
class Channel:
    """A channel, or with `user` the app's direct conversation with that person. Tests may change it."""

    id: str
    name: str
    private: bool = False
    archived: bool = False
    is_member: bool = True
    user: str | None = None
    members: list[str] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    timeline: list[str] = field(default_factory=list)
    threads: dict[str, list[str]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`#name`, or `@Full Name` for a direct conversation."""
        return f"@{self.name}" if self.user else f"#{self.name}"

    @property
    def kind(self) -> str:
        """The word conversations.list has for it."""
        if self.user:
            return "im"
        return "private_channel" if self.private else "public_channel"


class Workspace:
    """Everything the stand-in remembers; `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.scopes: tuple[str, ...] = SCOPES
        self.strict = True
        self.on_message: Callable[[Message], None] | None = None
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.channels: dict[str, Channel] = {}
        self.posted = 0
        self._by_email: dict[str, str] = {}
        self._by_name: dict[str, Channel] = {}
        self._dms: dict[str, Channel] = {}
        self._log: list[tuple[Channel, str]] = []
        self._last_us = 0
        self.add_user("booking-bridge", "", BOT_USER)

    def require(self, scope: str) -> None:
        """Raise missing_scope unless the app was granted this scope."""
        if scope not in self.scopes:
            raise SlackError("missing_scope", needed=scope, provided=",".join(self.scopes))

    def add_user(self, name: str, email: str, user_id: str = "", *, deleted: bool = False) -> User:
        """Add or replace a person; without an id one is made up."""
        user = User(user_id or f"U0SB{len(self.users):05d}", name, email, deleted)
        self.users[user.id] = user
        if email:
            self._by_email[email.lower()] = user.id
        return user

    def add_channel(
        self,
        name: str,
        channel_id: str = "",
        *,
        private: bool = False,
        archived: bool = False,
        is_member: bool = True,
    ) -> Channel:
        """Add a channel; a private one the app is not in stays invisible to it."""
        name = name.lstrip("#")
        channel = Channel(
            channel_id or f"C0SB{len(self.channels):05d}", name, private, archived, is_member, None
        )
        self.channels[channel.id] = self._by_name[name] = channel
        return channel

    def open_dm(self, user: User) -> Channel:
        """Return the app's direct conversation with this person, opened when there is none yet."""
        channel = self._dms.get(user.id)
        if channel is None:
            channel = Channel(f"D0SB{len(self.channels):05d}", user.name, private=True, user=user.id)
            self.channels[channel.id] = self._dms[user.id] = channel
        return channel

    def has_dm(self, user: User) -> bool:
        """Whether a direct conversation with this person is open."""
        return user.id in self._dms

    def user_by_email(self, email: str) -> User | None:
        """Return the person with this address, whatever its case."""
        return self.users.get(self._by_email.get(email.lower(), ""))

    def find(self, name: str) -> Channel | None:
        """Return a channel by id, name (`#` optional), `@Full Name`, user id or e-mail address."""
        user = self.users.get(name) or self.user_by_email(name)
        if user is not None:
            return self._dms.get(user.id)
        if name.startswith("@"):
            return next((dm for dm in self._dms.values() if dm.name == name[1:]), None)
        return self.channels.get(name) or self._by_name.get(name.lstrip("#"))

    def _next_ts(self) -> str:
        self._last_us = max(int(self.clock() * 1_000_000), self._last_us + 1)
        return f"{self._last_us // 1_000_000:010d}.{self._last_us % 1_000_000:06d}"

    def store(self, channel: Channel, content: Content, author: str, via: str, **rest: Any) -> Message:
        """Keep a new message and return it; `rest` are further fields of Message."""
        self.posted += 1
        ts = self._next_ts()
        message = Message(
            channel.label, channel.id, ts, content, self.posted, self.clock(), author, via, **rest
        )
        channel.messages[ts] = message
        if message.thread_ts is not None:
            channel.threads.setdefault(message.thread_ts, []).append(ts)
        if message.thread_ts is None or message.broadcast:
            channel.timeline.append(ts)
        self._log.append((channel, ts))
        self._tell(message)
        return message

    def edit(self, message: Message, content: Content, metadata: Mapping[str, Any] | None) -> Message:
        """Replace what a message says; return it as it is now."""
        edit = Edit(self.clock(), message.content)
        edited = replace(message, content=content, metadata=metadata, edits=(*message.edits, edit))
        self.channels[message.channel_id].messages[message.ts] = edited
        self._tell(edited)
        return edited

    def delete(self, message: Message) -> None:
        """Delete a message; one with replies leaves a placeholder in the channel."""
        channel = self.channels[message.channel_id]
        gone = replace(message, deleted=True)
        channel.messages[message.ts] = gone
        if message.thread_ts is not None:
            channel.threads[message.thread_ts].remove(message.ts)
        if message.ts not in channel.threads and (message.thread_ts is None or message.broadcast):
            del channel.timeline[bisect_left(channel.timeline, message.ts)]
        self._tell(gone)

    def _tell(self, message: Message) -> None:
        if self.on_message is not None:
            self.on_message(message)

    def messages(self) -> Iterator[Message]:
        """Every message ever accepted, in the order of acceptance, deleted ones included."""
        return (channel.messages[ts] for channel, ts in self._log)
