"""What the rules need of Slack: the places and people they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.core.rules.destinations import CHANNEL_ID, GROUP_ID, HOST, USER_ID, WEBHOOK
from bridge.core.rules.rules import Post, Rules


@dataclass(frozen=True, slots=True)
class Needs:
    """Channels, people, groups and webhooks, each with who names it first; whether hosts are looked up.

    People are named by their e-mail or their Slack id. `direct` says that people get direct messages.
    """

    channels: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    webhooks: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    hosts: bool = False
    direct: bool = False

    @property
    def token(self) -> bool:
        """Whether anything goes elsewhere than to an incoming webhook, which takes a bot token."""
        return bool(self.channels) or self.direct


def needs(rules: Rules) -> Needs:
    """What these rules name, in their order."""
    channels: dict[str, str] = {}
    people: dict[str, str] = {}
    webhooks: dict[str, str] = {}
    groups: dict[str, str] = {}
    hosts = direct = False
    for place, who in _places(rules):
        if place.startswith("#") or CHANNEL_ID.fullmatch(place):
            channels.setdefault(place, who)
        elif place.startswith(WEBHOOK):
            webhooks.setdefault(place.removeprefix(WEBHOOK), who)
        else:
            direct = True
            hosts = hosts or place == HOST
            if place != HOST:
                people.setdefault(place.removeprefix("@"), who)
    for post, who in _posts(rules):
        hosts = hosts or post.mention == "host"
        if "@" in post.mention or USER_ID.fullmatch(post.mention):
            people.setdefault(post.mention, who)
        elif GROUP_ID.fullmatch(post.mention):
            groups.setdefault(post.mention, who)
    return Needs(channels, people, webhooks, groups, hosts, direct)


def _posts(rules: Rules) -> Iterator[tuple[Post, str]]:
    for rule in rules.rules:
        for post in rule.posts:
            yield post, f"rule {rule.name}"
    for post in rules.otherwise:
        yield post, "otherwise"


def _places(rules: Rules) -> Iterator[tuple[str, str]]:
    for post, who in _posts(rules):
        for place in post.to:
            yield place, who
    if rules.settings.alerts_to:
        yield rules.settings.alerts_to, "alerts_to"
