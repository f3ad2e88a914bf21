"""Slack: the token, its scopes, each channel that the rules name, each person they may reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.core.bookings import Directory, Person
from bridge.core.rules.needs import Needs
from bridge.core.slack_values import Channel, Identity
from bridge.doctor.findings import Finding, notice, ok, problem
from bridge.doctor.groups import examine_groups
from bridge.doctor.slack_scopes import examine_scopes
from bridge.doctor.wording import words
from bridge.slack import CallError, Slack

_PUBLIC: Final = "chat:write.public"
_PRIVATE: Final = "groups:read"
_MOST_PEOPLE: Final = 40
"""Look-ups; Slack allows about fifty a minute, and the bridge itself needs some."""
_PATIENCE: Final = 60.0
_SHOWN: Final = 3


async def examine_slack(slack: Slack, needed: Needs, people: Iterable[Person]) -> AsyncIterator[Finding]:
    """The token and everything it has to reach; posts nothing."""
    if not slack.has_token:
        yield _without_token(needed)
        return
    try:
        who = await slack.identity()
    except CallError as error:
        yield problem("Slack", *words(error.outcome))
        return
    yield ok("Slack", f"the token is {who.user}'s in the workspace {who.team}")
    listed, troubles = await _channels(slack)
    for finding in troubles:
        yield finding
    named = [_named(listed, place) for place in needed.channels]
    blind = _PRIVATE not in who.scopes
    private = any(blind if channel is None else channel.is_private for channel in named)
    for finding in examine_scopes(who.scopes, needed, private=private):
        yield finding
    if listed is not None:
        for (place, rule), channel in zip(needed.channels.items(), named, strict=True):
            yield _channel(f"{place} ({rule})", channel, who, by_id=not place.startswith("#"))
        for finding in _twins(needed.channels, named):
            yield finding
    for name, rule in needed.webhooks.items():
        yield _webhook(name, rule)
    async for finding in _people(slack, needed, list(people)):
        yield finding
    for finding in await examine_groups(slack, needed.groups):
        yield finding


def _without_token(needed: Needs) -> Finding:
    if needed.token:
        remedy = "install the Slack app and set the token (xoxb-…), or post to webhook:NAME only"
        return problem(
            "Slack", "SLACK_BOT_TOKEN is not set, and the rules post to channels or people", remedy
        )
    return ok("Slack", "SLACK_BOT_TOKEN is not set, and the rules post to incoming webhooks only")


def _webhook(name: str, rule: str) -> Finding:
    said = f"webhook:{name} ({rule}): its address is set; only a message can tell whether it works"
    return ok("channel", said)


async def _channels(slack: Slack) -> tuple[Sequence[Channel] | None, list[Finding]]:
    """The channels the token sees; None and why when it sees none."""
    try:
        async with asyncio.timeout(_PATIENCE):
            try:
                return await slack.channels(), []
            except CallError as error:
                if error.outcome.error != "missing_scope":
                    raise
            return await slack.channels(private=False), []
    except CallError as error:
        if error.outcome.error == "missing_scope":
            return None, []  # told with the scopes
        said, remedy = words(error.outcome)
        return None, [notice("channel", f"the channels could not be listed: {said}", remedy)]
    except TimeoutError:
        return None, [notice("channel", "listing the channels took too long", "try again")]


def _named(listed: Sequence[Channel] | None, place: str) -> Channel | None:
    """The channel meant: by id, else by name, a living one first."""
    found = [one for one in listed or () if place in {one.id, f"#{one.name}"}]
    return min(found, key=lambda one: one.is_archived, default=None)


def _channel(label: str, channel: Channel | None, who: Identity, *, by_id: bool) -> Finding:
    if channel is None and by_id and label.startswith("D"):
        return notice("channel", f"{label}: a direct conversation, which cannot be checked")
    if channel is None:
        remedy = (
            f"correct the name in the rules; if it is private, write its id and /invite @{who.user} there"
        )
        return problem("channel", f"{label}: the app sees no such channel", remedy)
    label = label if not by_id else f"{label} #{channel.name}"
    if channel.is_archived:
        return problem(
            "channel", f"{label}: the channel is archived", "unarchive it in Slack, or change the rule"
        )
    if channel.is_member:
        return ok("channel", f"{label}: the app is a member and can post")
    if channel.is_private or _PUBLIC not in who.scopes:
        remedy = f"/invite @{who.user} there" + (
            "" if channel.is_private else f", or add the scope {_PUBLIC}"
        )
        return problem("channel", f"{label}: the app is not a member and cannot post", remedy)
    said = f"{label}: can post, but is not a member, so that after a crash it cannot see what it posted"
    return notice("channel", said, f"/invite @{who.user} there")


def _twins(places: Iterable[str], named: Iterable[Channel | None]) -> Iterator[Finding]:
    """Channels that the rules write by name and by id: to the rules these are two destinations."""
    written: dict[str, list[str]] = {}
    for place, channel in zip(places, named, strict=True):
        if channel is not None:
            written.setdefault(channel.id, []).append(place)
    for twins in written.values():
        if len(twins) > 1:
            said = f"{' and '.join(twins)} are one channel: an event that goes to both is posted there twice"
            yield notice("channel", said, "write the channel in one way in the rules")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Somebody to be found in Slack by e-mail or id, how the line calls them, and what to do when in vain."""

    label: str
    address: str
    remedy: str

    async def is_found(self, slack: Slack) -> bool:
        """Raises CallError."""
        if "@" in self.address:
            return bool(await slack.user_by_email(self.address))
        return await slack.has_user(self.address)


async def _people(slack: Slack, needed: Needs, people: list[Person]) -> AsyncIterator[Finding]:
    """A line for all who are found, and one for each who is not."""
    bad = problem if needed.hosts else notice
    wanted = [_Wanted(f"{who} ({rule})", who, _CORRECT) for who, rule in needed.people.items()]
    wanted += [_host(person) for person in people if person.slack or person.email]
    found = 0
    if unknown := [person for person in people if not person.slack and not person.email]:
        yield bad("people", _unknown(unknown), _ADD.format(id=unknown[0].id))
    for one in wanted[:_MOST_PEOPLE]:
        try:
            is_found = await one.is_found(slack)
        except CallError as error:
            if error.outcome.error != "missing_scope":  # that one is told with the scopes
                said, remedy = words(error.outcome)
                yield notice("people", f"not all could be looked up: {said}", remedy)
            return
        found += is_found
        if not is_found:
            say = problem if one.address in needed.people else bad
            yield say("people", f"{one.label}: Slack knows nobody by {one.address}", one.remedy)
    for finding in _summary(found, len(wanted)):
        yield finding


def _host(person: Person) -> _Wanted:
    label = f"host {person.name or person.id} ({person.id})"
    if person.slack:
        return _Wanted(label, person.slack, _REPLACE.format(id=person.id))
    return _Wanted(label, person.email, _ADD.format(id=person.id))


def _unknown(people: Sequence[Person]) -> str:
    """One line for all: with an integration key they are all the hosts there are."""
    names = [person.name or person.id for person in people[:_SHOWN]]
    more = f" and {len(people) - _SHOWN} more" if len(people) > _SHOWN else ""
    hosts = f"host{'s' if len(people) > 1 else ''} {', '.join(names)}{more}"
    return f"{hosts}: no e-mail is known, so that Slack cannot be asked"


_CORRECT: Final = "correct the e-mail or the id in the rules; Slack's profiles have *Copy member ID*"
_REPLACE: Final = "correct in the rules under people:  {id}: {{slack: U…}}"
_ADD: Final = "add to the rules under people:  {id}: {{email: …, slack: U…}}"


def _summary(found: int, wanted: int) -> Iterator[Finding]:
    if wanted > _MOST_PEOPLE:
        rest = wanted - _MOST_PEOPLE
        said = f"{found} are found in Slack; {rest} more were not looked up, to spare its limits"
        yield notice("people", said)
    elif found:
        yield ok("people", f"{found} are found in Slack")


def known(directory: Directory, hosts: Iterable[str]) -> list[Person]:
    """The hosts to be found: those of bookings and those whom the rules name, each once, in a fixed order."""
    return [directory.person(each) for each in sorted(set(hosts))]
