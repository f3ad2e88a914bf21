"""Whom a feed shows, what it is called, who fetches it, and how often calendars look."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.feeds.tokens import LONGEST_ALARM, Options
from bridge.core.suggestions import did_you_mean, quote

_ALARM: Final = re.compile(r"(?:(\d{1,2})d)?(?:(\d{1,3})h)?(?:(\d{1,5})m)?")


class UnknownFeed(Exception):
    """Nobody and nothing is called that; the message names what is close."""


@dataclass(frozen=True, slots=True)
class Who:
    """Whose bookings a feed shows: a host's (`id` is Copera's user id), a booking type's, or all."""

    kind: Literal["host", "type", "all"]
    id: str = ""

    @property
    def key(self) -> str:
        """What addresses are derived from, and rows are named by: "host:665f…", "type:665f…", "all"."""
        return f"{self.kind}:{self.id}" if self.id else self.kind

    @property
    def is_team(self) -> bool:
        return self.kind != "host"


ALL: Final = Who("all")


def who(key: str) -> Who:
    """The `Who` of a key."""
    kind, _, identity = key.partition(":")
    return Who("host" if kind == "host" else "type", identity) if identity else ALL


def choose(text: str, people: Iterable[Person], types: Iterable[BookingType]) -> Who:
    """Whom `feeds url WHO` means: a host's id, e-mail or name, `type:` and a title, slug or id, or `all`.

    Raises UnknownFeed, also when two people or types are called that.
    """
    said = text.strip()
    kind, colon, name = said.partition(":")
    if said.casefold() == "all":
        return ALL
    if colon and kind.casefold() == "type":
        named = {kind.id: (kind.title, kind.slug) for kind in types}
        return Who("type", _pick(name.strip(), named, "booking type"))
    return Who("host", _pick(said, {one.id: (one.email, one.name) for one in people}, "host"))


def _pick(said: str, named: Mapping[str, tuple[str, ...]], what: str) -> str:
    if said in named:
        return said
    for place in (0, 1):
        found = [each for each, names in named.items() if names[place].casefold() == said.casefold() != ""]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownFeed(f"several {what}s are called {quote(said)}: use the id, {' or '.join(found)}")
    names = [name for pair in named.values() for name in pair if name]
    raise UnknownFeed(f"no {what} is called {quote(said)}{did_you_mean(said, names)}")


def default_options(feed: Who) -> Options:
    """What an address shows unless told otherwise: a host's everything, others' titles."""
    return Options("title" if feed.is_team else "full")


def alarm_minutes(text: str) -> int:
    """ "15m", "1h30m" or "1d" in minutes. Raises ValueError with words for the user."""
    found = _ALARM.fullmatch(text.strip().lower())
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = (days * 24 + hours) * 60 + minutes
    if not 0 < total <= LONGEST_ALARM:
        raise ValueError(f"expected a time such as 15m, 1h or 1d, ten days at most, got {quote(text)}")
    return total


def feed_name(feed: Who, people: Directory, types: Mapping[str, BookingType]) -> str:
    """What calendars call the feed."""
    if feed.kind == "host":
        return f"Bookings: {people.name(feed.id)}"
    if feed.kind == "type":
        kind = types.get(feed.id)
        return f"Bookings: {kind.title if kind and kind.title else feed.id}"
    return "All bookings"


@dataclass(frozen=True, slots=True)
class Client:
    """A calendar application, and an honest word on how often it looks for changes."""

    name: str
    marks: tuple[str, ...]
    habit: str


CLIENTS: Final = (
    Client(
        "Google",
        ("google-calendar-importer", "google"),
        "Google Calendar looks again every 8 to 24 hours, now and then later. Nothing can make it hurry.",
    ),
    Client(
        "Outlook",
        ("microsoft", "outlook", "exchange", "office"),
        "Outlook looks again about every 3 hours, at times only after a day.",
    ),
    Client("Thunderbird", ("thunderbird",), "Thunderbird looks again every 30 minutes, or as you set it."),
    Client(
        "Apple",
        ("dataaccessd", "calendaragent", "ios/", "macos/", "mac os x/", "ical/"),
        "A Mac looks as often as you set it for this calendar (Auto-refresh). An iPhone or iPad looks as set"
        " under Fetch New Data; “Automatically” means only while charging and on Wi-Fi.",
    ),
    Client("other", (), "Other calendars look as often as they are set to."),
)
"""In the order they are recognised; see the fact sheet on subscriptions for the sources."""


def client(user_agent: str) -> Client:
    """Which application a User-Agent header is of."""
    said = user_agent.casefold()
    return next((one for one in CLIENTS if any(mark in said for mark in one.marks)), CLIENTS[-1])
