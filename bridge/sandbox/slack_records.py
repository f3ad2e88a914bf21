"""What a test or the demo sees of the Slack stand-in: frozen records of messages and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Block = Mapping[str, Any]
"""A Block Kit block as it was sent."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says: text, Block Kit blocks and attachments."""

    text: str = ""
    blocks: tuple[Block, ...] = ()
    attachments: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: when (Unix seconds) and what the message said before it."""

    at: float
    before: Content


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is now. `channel` is "#name", or "@Full Name" for a direct message.

    `order` counts accepted messages from 1, `received` is Unix seconds, `author` a user id, and
    `via` the method that posted it ("webhook:NAME" for an incoming webhook, "person" for a human).
    """

    channel: str
    channel_id: str
    ts: str
    content: Content
    order: int
    received: float
    author: str
    via: str
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: Mapping[str, Any] | None = None
    username: str | None = None
    edits: tuple[Edit, ...] = ()
    deleted: bool = False

    @property
    def text(self) -> str:
        """The top-level text: notification, fallback and what a screen reader says."""
        return self.content.text

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The top-level blocks."""
        return self.content.blocks

    @property
    def attachments(self) -> tuple[Block, ...]:
        """The attachments: colour bars with their blocks."""
        return self.content.attachments

    @property
    def is_reply(self) -> bool:
        """Whether it stands in another message's thread."""
        return self.thread_ts is not None


@dataclass(frozen=True, slots=True)
class Limited:
    """One HTTP 429 given. `reason`: channel, workspace, tier, blocked (sent while limited) or fault."""

    method: str
    at: float
    reason: str
    retry_after: int
    channel: str | None = None
