"""Who a message mentions: only what a rule's `mention` says, and only as Slack takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.core.messages.markup import NOTHING, Markup, join, typed, user
from bridge.core.messages.scenes import Scene, host_name

_EVERYBODY: Final[Mapping[str, str]] = {"here": "<!here>", "channel": "<!channel>"}
_GROUP: Final = re.compile(r"S[A-Z0-9]{2,30}")
_USER: Final = re.compile(r"[UW][A-Z0-9]{2,30}")


def mention_markup(scene: Scene, mention: str) -> Markup:
    """The markup that mentions; somebody without a known Slack id is named instead.

    Both faces mention: the text stands alone where Slack refuses blocks. See
    docs.slack.dev/messaging/formatting-message-text for the forms.
    """
    if mention == "host":
        return hosts_markup(scene, aloud=True)
    token = _EVERYBODY.get(mention, "")
    if _USER.fullmatch(mention):
        token = f"<@{mention}>"
    elif _GROUP.fullmatch(mention):
        token = f"<!subteam^{mention}>"
    if token:
        return Markup(token, token)
    return _by_mail(scene, mention) if "@" in mention else NOTHING


def hosts_markup(scene: Scene, *, aloud: bool = False) -> Markup:
    """All hosts mentioned; `aloud` also in the text face, which else names them."""
    return join([host_markup(scene, host.id, aloud=aloud) for host in scene.booking.hosts[:20]], ", ")


def host_markup(scene: Scene, host_id: str, *, aloud: bool = False) -> Markup:
    person = scene.directory.person(host_id)
    slack = person.slack or scene.mentions.get(person.email.casefold(), "")
    found = user(slack, host_name(scene, host_id))
    return Markup(found.mrkdwn, found.mrkdwn) if aloud else found


def _by_mail(scene: Scene, address: str) -> Markup:
    slack = scene.mentions.get(address.casefold(), "")
    found = user(slack, address)
    return Markup(found.mrkdwn, found.mrkdwn) if found else typed(address)
