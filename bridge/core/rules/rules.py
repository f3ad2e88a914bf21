"""What an admin decided, as frozen values: rules, where they post, messages and settings.

`core.rules.file` builds these from YAML text, whole or not at all; `core.routing` walks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from bridge.core.bookings import Person
from bridge.core.messages.templates import Message
from bridge.core.rules.conditions import EVERYTHING, Condition
from bridge.core.rules.destinations import HOST as HOST
from bridge.core.rules.index import RuleIndex

Style = Literal["card", "post"]
STYLES: Final[tuple[Style, ...]] = ("card", "post")
DEFAULT_MESSAGE: Final = "default"


@dataclass(frozen=True, slots=True)
class Post:
    """Where a rule posts, and how.

    `to` holds destinations as `core.rules.destinations` spells them: "#name", "C…"/"G…"/"D…", "@host",
    "@mail@example.com", "U…"/"W…", "webhook:NAME". `mention` is "none", "host", "here", "channel",
    an e-mail, "U…"/"W…" or "S…". `broadcast` holds short event names.
    """

    to: tuple[str, ...]
    message: str | None = None
    mention: str = "none"
    style: Style = "card"
    broadcast: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: when `when` holds it posts; with `stop` the walk ends there. `line` counts from 1."""

    name: str
    when: Condition = EVERYTHING
    posts: tuple[Post, ...] = ()
    stop: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """How bookings of one type look; None and "" leave it to the default."""

    message: str | None = None
    emoji: str = ""


@dataclass(frozen=True, slots=True)
class Show:
    """Which personal data messages may hold."""

    email: bool = True
    phone: bool = False
    answers: bool = True


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """The file's `settings`: zone for text Slack cannot localise, where trouble is reported, privacy.

    `repair` says whether what no webhook told is posted, `repair_horizon` after how long a pause it is not.
    """

    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    alerts_to: str | None = None
    show: Show = field(default_factory=Show)
    repair: bool = True
    repair_horizon: timedelta = timedelta(days=2)


@dataclass(frozen=True)
class Rules:
    """A whole rules file. `hash` is the first 12 hex digits of the SHA-256 of `text`, the file.

    `types` are keyed by title, slug or id in folded case. `index` is worked out from the rules when the
    value is made.
    """

    rules: tuple[Rule, ...] = ()
    otherwise: tuple[Post, ...] = ()
    settings: RuleSettings = field(default_factory=RuleSettings)
    people: tuple[Person, ...] = ()
    types: Mapping[str, Look] = field(default_factory=dict)
    messages: Mapping[str, Message] = field(default_factory=dict)
    hash: str = ""
    text: bytes = field(default=b"", repr=False, compare=False)
    otherwise_line: int = 0
    index: RuleIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", RuleIndex([rule.when for rule in self.rules]))
