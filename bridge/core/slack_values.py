"""What a message tells Slack about itself, and what Slack tells of conversations and of a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

METADATA: Final = "booking_bridge"
"""The type of our messages' metadata."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a message exists, carried in its metadata. Any app may read it, so nothing personal."""

    delivery: str
    part: str  # card, reply, post
    event: str = ""
    rule: str = ""
    rules: str = ""

    def metadata(self) -> dict[str, object]:
        payload = {name: getattr(self, name) for name in self.__slots__}
        return {"event_type": METADATA, "event_payload": payload}


@dataclass(frozen=True, slots=True)
class Channel:
    """A conversation as conversations.list tells it."""

    id: str
    name: str
    is_private: bool
    is_archived: bool
    is_member: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A user group as usergroups.list tells it; a disabled one mentions nobody."""

    id: str
    handle: str
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it is, and its scopes when Slack tells them."""

    team: str
    user: str
    bot: str
    scopes: frozenset[str]


def read_group(item: Mapping[str, Any]) -> Group:
    """From an item of usergroups.list."""
    return Group(str(item.get("id", "")), str(item.get("handle", "")), bool(item.get("date_delete")))


def read_channel(item: Mapping[str, Any]) -> Channel:
    """From an item of conversations.list."""
    return Channel(
        id=str(item.get("id", "")),
        name=str(item.get("name", "")),
        is_private=item.get("is_private") is True,
        is_archived=item.get("is_archived") is True,
        is_member=item.get("is_member") is True,
    )
