"""The bot token's scopes, and what the bridge uses each for (docs.slack.dev, the page of each method)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bridge.core.rules.needs import Needs
from bridge.doctor.findings import Finding, notice, ok, problem

_REMEDY: Final = "add the scope under OAuth & Permissions of the Slack app and install the app again"


@dataclass(frozen=True, slots=True)
class Use:
    """What the rules make use of, as far as it matters to scopes."""

    channels: bool
    private: bool
    direct: bool
    people: bool


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope, the feature that needs it, and whether the rules use that feature."""

    name: str
    feature: str
    is_used: Callable[[Use], bool]


SCOPES: Final = (
    Scope("chat:write", "posting and editing messages", lambda use: use.channels or use.direct),
    Scope("channels:read", "finding the rules' channels", lambda use: use.channels),
    Scope("groups:read", "finding private channels", lambda use: use.private),
    Scope(
        "channels:history",
        "looking a message up after a crash, so that none is posted twice",
        lambda use: use.channels,
    ),
    Scope("groups:history", "the look-up after a crash in private channels", lambda use: use.private),
    Scope("im:history", "the look-up after a crash in direct messages", lambda use: use.direct),
    Scope("im:write", "finding a direct conversation after a crash", lambda use: use.direct),
    Scope("users:read", "finding people by e-mail", lambda use: use.people),
    Scope("users:read.email", "finding people by e-mail", lambda use: use.people),
)


def examine_scopes(granted: frozenset[str], needed: Needs, *, private: bool) -> Iterator[Finding]:
    """A line for each missing scope, or one that all are there. `private`: a rule names a private channel."""
    if not granted:
        yield notice("Slack scopes", "Slack did not say which ones the token has")
        return
    use = Use(
        channels=bool(needed.channels),
        private=private,
        direct=needed.direct,
        people=needed.hosts or bool(needed.people),
    )
    missing = [scope for scope in SCOPES if scope.name not in granted]
    for scope in missing:
        said = f"{scope.name} is missing; it is for {scope.feature}"
        if scope.is_used(use):
            yield problem("Slack scopes", said, _REMEDY)
        else:
            yield notice("Slack scopes", f"{said}; today's rules do not use it", _REMEDY)
    if not missing:
        yield ok("Slack scopes", "all that the bridge uses are granted")
