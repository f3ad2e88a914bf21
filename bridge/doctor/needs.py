"""What the rules need of Slack: the places and people they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.core.rules.destinations import CHANNEL_ID, HOST, USER_ID, WEBHOOK
from bridge.core.rules.file import MOST_BYTES, Loaded, load
from bridge.core.rules.rules import Post, Rules
from bridge.core.yaml_file.problems import RulesError
from bridge.doctor.findings import Finding, notice, ok, problem
from bridge.settings import Settings

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Needs:
    """Channels, people and webhooks, each with who names it first, and whether hosts are looked up.

    People are named by their e-mail or their Slack id.
    """

    channels: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    webhooks: Mapping[str, str] = field(default_factory=dict)
    hosts: bool = False
    direct: bool = False


def needs(rules: Rules) -> Needs:
    """What these rules name, in their order."""
    channels: dict[str, str] = {}
    people: dict[str, str] = {}
    webhooks: dict[str, str] = {}
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
    return Needs(channels, people, webhooks, hosts, direct)


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


def examine_rules(settings: Settings) -> tuple[Finding, Rules | None]:
    """Whether the rules file can be used, and the rules when it can."""
    path = settings.bridge_rules
    try:
        loaded = _load(path, settings)
    except OSError as error:
        said = f"{path}: {error.strerror}"
        return problem("rules", said, "set BRIDGE_RULES to the rules file, and let it be read"), None
    except RulesError as error:
        lines = [each.text(path.name) for each in error.errors]
        more = f" (and {len(lines) - _SHOWN} more)" if len(lines) > _SHOWN else ""
        said = "; ".join(lines[:_SHOWN]) + more
        return problem("rules", said, f"correct the file; `booking-bridge check {path}` shows all"), None
    count = len(loaded.rules.rules)
    said = f"{path}: {count} rule{'s' * (count != 1)}, valid (file {loaded.rules.hash})"
    if loaded.warnings:
        first = loaded.warnings[0].text(path.name)
        more = f" (and {len(loaded.warnings) - 1} more)" if len(loaded.warnings) > 1 else ""
        said = f"{said}; {first}{more}"
        return notice("rules", said, f"see `booking-bridge check {path}`"), loaded.rules
    return ok("rules", said), loaded.rules


def _load(path: Path, settings: Settings) -> Loaded:
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    return load(
        text,
        name=path.name,
        webhooks=settings.slack_webhooks,
        can_look_up=settings.can_look_up,
    )
