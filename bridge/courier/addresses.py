"""From a destination of the rules to an address that Slack takes, and from people to their Slack ids.

Slack is asked by e-mail, and its answers are kept: somebody found for a day, nobody for an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.core.bookings import Directory
from bridge.core.retry import MISSING_SCOPE, NO_NAMES, Outcome, Verdict
from bridge.slack import CallError, Slack
from bridge.store.people import SlackNames, SlackPlace

log = structlog.get_logger()

_FOUND: Final = timedelta(days=1)
_MISSED: Final = timedelta(hours=1)
_FAILED: Final = timedelta(minutes=1)
_MOST_KEPT: Final = 10_000
_PATIENCE: Final = 2.0


class Unreachable(Exception):
    """There is no address for a destination now; `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.error)


class Addresses:
    """Resolves destinations and people through the directory, the store and Slack."""

    def __init__(self, slack: Slack, names: SlackNames, clock: Callable[[], datetime]) -> None:
        self._slack = slack
        self._names = names
        self._clock = clock
        self._users: dict[str, tuple[str, datetime]] = {}  # e-mail: Slack id, good until
        self._places: dict[str, tuple[SlackPlace, datetime]] = {}  # by destination, good until
        self._people: dict[str, str] = {}  # by destination the Slack id that it led to
        self._strangers: dict[str, set[str]] = {}  # by destination, conversations with others
        self._outdated: set[str] = set()  # destinations of which what was known is not true any more
        self._read_at: datetime | None = None  # when the stored places were read
        self._reading = asyncio.Lock()

    async def address(self, destination: str, directory: Directory) -> str:
        """What to give Slack as the channel. Raises Unreachable."""
        if destination.startswith("host:"):
            person = await self._person_address(destination.removeprefix("host:"), directory)
            return self._leads_to(destination, person)
        if destination.startswith("@"):
            return self._leads_to(destination, await self._user(destination.removeprefix("@")))
        if destination.startswith("#"):
            known = await self._known(destination)
            return destination if known.by_name or not known.channel else known.channel
        return destination

    def _leads_to(self, destination: str, person: str) -> str:
        """Whom a destination means now; when that was corrected, what is known of it is no longer true."""
        if self._people.get(destination, person) != person:
            if before := self._places.get(destination):
                self._strangers.setdefault(destination, set()).add(before[0].channel)
            self.forget(destination)
        if len(self._people) >= _MOST_KEPT:
            self._people.clear()
        self._people[destination] = person
        return person

    def forget(self, destination: str) -> None:
        """What is known of a destination is not true any more: it is to be found anew."""
        self._places.pop(destination, None)
        self._outdated.add(destination)

    async def is_strangers(self, destination: str, channel: str, directory: Directory) -> bool:
        """Whether this conversation is with somebody whom a destination meant until that was corrected, as
        far as this process saw it. Never fails: what cannot be told is taken to be as it was."""
        if not destination.startswith(("host:", "@")):
            return False
        try:
            await self.address(destination, directory)
        except Unreachable:
            return False
        return channel in self._strangers.get(destination, ())

    async def mentions(self, emails: Iterable[str]) -> dict[str, str]:
        """Slack ids by e-mail as far as they can be had within two seconds; never fails."""
        found: dict[str, str] = {}
        try:
            async with asyncio.timeout(_PATIENCE):
                for email in emails:
                    try:
                        found[email] = await self._user(email)
                    except Unreachable:
                        continue
        except TimeoutError:
            log.warning("slack.lookup_slow", seconds=_PATIENCE)
        return found

    async def with_slack(self, directory: Directory, host_ids: Iterable[str]) -> Directory:
        """The directory with the Slack ids of these hosts, as far as they can be had quickly."""
        people = [directory.person(host_id) for host_id in host_ids]
        missing = {person.id: person.email for person in people if person.email and not person.slack}
        if not missing or not self._slack.has_token:
            return directory
        found = await self.mentions(missing.values())
        return directory.with_slack({host: found[email] for host, email in missing.items() if email in found})

    async def conversation(self, destination: str, address: str) -> str:
        """The conversation's id, which reading its history needs. Raises Unreachable."""
        if address[:1] in {"C", "G", "D"}:
            return address
        known = await self._known(destination)
        if known.channel:
            return known.channel
        try:
            channel = await self._find_conversation(address)
        except CallError as problem:
            raise Unreachable(_patient(problem.outcome)) from None
        if not channel:
            raise Unreachable(Outcome(Verdict.DESTINATION, "channel_not_found"))
        found = SlackPlace(channel)
        await self._names.remember_channels({destination: found}, self._clock())
        self._cache(destination, found)
        return channel

    def learn(self, destination: str, channel: str, *, by_name: bool) -> SlackPlace | None:
        """The place that Slack gave for a destination, to be kept when it is new: then no look-up need
        ask for it. None when it is known."""
        if destination == channel or not channel:
            return None
        kept = self._places.get(destination)
        if kept and kept[0].channel == channel and kept[1] > self._clock():
            return None
        found = SlackPlace(channel, by_name)
        self._cache(destination, found)
        return found

    async def _find_conversation(self, address: str) -> str:
        if address[:1] in {"U", "W"}:
            return await self._slack.direct_channel(address)
        try:
            channels = await self._slack.channels()
        except CallError as problem:
            if problem.outcome.error != "missing_scope":
                raise
            channels = await self._slack.channels(private=False)
        name = address.removeprefix("#")
        return next((one.id for one in channels if one.name == name and not one.is_archived), "")

    async def _person_address(self, host_id: str, directory: Directory) -> str:
        person = directory.person(host_id)
        if person.slack:
            return person.slack
        if not person.email and not directory.is_known:
            detail = "Copera has not told the hosts' names yet"
            raise Unreachable(Outcome(Verdict.TRANSIENT, NO_NAMES, detail=detail))
        if not person.email:
            detail = f"no e-mail known for host {host_id}"
            raise Unreachable(Outcome(Verdict.DESTINATION, "no_slack_user", detail=detail))
        return await self._user(person.email)

    async def _user(self, email: str) -> str:
        """The Slack id for an e-mail. Raises Unreachable."""
        key = email.strip().lower()
        kept = self._users.get(key)
        if kept is None or kept[1] <= self._clock():
            kept = await self._ask(key)
            if len(self._users) >= _MOST_KEPT:
                self._users.clear()
            self._users[key] = kept
        if not kept[0]:
            raise Unreachable(
                Outcome(Verdict.DESTINATION, "no_slack_user", detail="Slack knows nobody by it")
            )
        return kept[0]

    async def _ask(self, email: str) -> tuple[str, datetime]:
        now = self._clock()
        stored = await self._names.user(email)
        if stored and now < stored[1] + (_FOUND if stored[0] else _MISSED):
            return stored[0], stored[1] + (_FOUND if stored[0] else _MISSED)
        if not self._slack.has_token:
            raise Unreachable(Outcome(Verdict.DESTINATION, "no_slack_token"))
        try:
            slack = await self._slack.user_by_email(email)
        except CallError as problem:
            if stored and stored[0]:
                return stored[0], now + _FAILED  # what was known is better than nothing
            raise Unreachable(_patient(problem.outcome)) from None
        await self._names.remember_user(email, slack, now)
        return slack, now + (_FOUND if slack else _MISSED)

    async def _known(self, destination: str) -> SlackPlace:
        """The conversation found for a destination before, an empty one when none is fresh."""
        if destination in self._outdated:
            return SlackPlace()
        if found := self._fresh(destination):
            return found
        async with self._reading:
            now = self._clock()
            if self._read_at is None or now >= self._read_at + _FAILED or now < self._read_at:
                stored = await self._names.channels(now - _FOUND, _MOST_KEPT)
                self._places = {name: (place, at + _FOUND) for name, (place, at) in stored.items()}
                self._read_at = now
        return self._fresh(destination) or SlackPlace()

    def _fresh(self, destination: str) -> SlackPlace | None:
        kept = self._places.get(destination)
        return kept[0] if kept and kept[1] > self._clock() else None

    def _cache(self, destination: str, place: SlackPlace) -> None:
        if len(self._places) >= _MOST_KEPT:
            self._places.clear()
        self._outdated.discard(destination)
        self._strangers.get(destination, set()).discard(place.channel)
        self._places[destination] = (place, self._clock() + _FOUND)


def _patient(outcome: Outcome) -> Outcome:
    """A look-up's failure is not a delivery's: a scope that only it needs does not stop all sending,
    nor does its own rate limit make all wait. A token that is refused altogether does."""
    if outcome.error == MISSING_SCOPE:
        return replace(outcome, verdict=Verdict.DESTINATION)
    if outcome.verdict in {Verdict.LIMITED, Verdict.UNKNOWN}:
        return replace(outcome, verdict=Verdict.TRANSIENT)
    return outcome
