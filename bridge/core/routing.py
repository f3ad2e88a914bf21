"""Where an event goes and why: the one function that the service, `check` and `explain` use.

Which rules match is asked of the rules' index, why one does not of its condition; both ask the same
patterns and the same `holds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bridge.core.bookings import Booking, BookingType, Directory, Event, Person
from bridge.core.rules.context import Context
from bridge.core.rules.destinations import HOST, HOST_KEY, WEBHOOK
from bridge.core.rules.rules import Post, Rule, Rules, Style
from bridge.core.suggestions import quote

OTHERWISE: Final = "otherwise"
_PERSONAL: Final = "@UWh"
"""How destinations begin that are a person: "@mail", user ids, "host:…"."""
_OVER: Final = {"cancelled", "declined", "no_show"}
"""Events of a booking that nobody needs to hear is now theirs."""

NO_TYPES: Final[Mapping[str, BookingType]] = {}


@dataclass(frozen=True, slots=True)
class Match:
    """One destination an event goes to.

    `destination` is "#name", "C…"/"G…"/"D…", "U…"/"W…", "@mail@example.com", "webhook:NAME", or
    "host:<userId>" for one host; `former` marks a host who is none any more. `message` is the rule's,
    None when it leaves that to the booking type. `mention` is as in the rule; `broadcast` says that a
    reply in a thread is shown in the channel too.
    """

    rule: str
    destination: str
    message: str | None = None
    mention: str = "none"
    style: Style = "card"
    broadcast: bool = False
    former: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one rule. Not matched: `path` below `when`, what was wanted there and what there is.

    `stopped` says that the walk ended here; a rule after that was not `reached`.
    """

    rule: str
    line: int
    matched: bool
    path: str = ""
    wanted: str = ""
    got: str = ""
    stopped: bool = False
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an event goes; `stopped_at` is the number of the rule that ended the walk, None when none did."""

    matches: tuple[Match, ...]
    stopped_at: int | None = None
    _rules: Rules = field(default_factory=Rules, repr=False, compare=False)
    _context: Context | None = field(default=None, repr=False, compare=False)

    @property
    def trace(self) -> tuple[Step, ...]:
        """What became of every rule, in order, then of `otherwise` when there is one."""
        return tuple(self._steps()) if self._context else ()

    def _steps(self) -> Iterator[Step]:
        last = len(self._rules.rules) if self.stopped_at is None else self.stopped_at
        for number, rule in enumerate(self._rules.rules):
            yield self._step(rule) if number <= last else Step(rule.name, rule.line, False, reached=False)
        if self._rules.otherwise:
            yield self._otherwise()

    def _otherwise(self) -> Step:
        line = self._rules.otherwise_line
        if self.stopped_at is not None:
            why = f"{quote(self._rules.rules[self.stopped_at].name)} stopped"
        elif any(match.rule != OTHERWISE for match in self.matches):
            why = f"{quote(self.matches[0].rule)} posted"
        else:
            return Step(OTHERWISE, line, True)
        return Step(OTHERWISE, line, False, "", "no rule posted and none stopped", why)

    def _step(self, rule: Rule) -> Step:
        miss = rule.when.explain(self._context) if self._context else None
        if miss:
            return Step(rule.name, rule.line, False, miss.path, miss.wanted, miss.got)
        return Step(rule.name, rule.line, True, stopped=rule.stop)


def route(
    event: Event,
    rules: Rules,
    *,
    directory: Directory,
    types: Mapping[str, BookingType] = NO_TYPES,
    previous: Booking | None = None,
) -> Decision:
    """Every destination of the event, the first rule that named one winning. Never raises.

    `types` are the booking types by id; `previous` is the booking as it was known before, so that
    hosts who were replaced hear of it.
    """
    context = Context(event, directory, types, rules.settings.timezone)
    walk = _Walk(context, previous)
    stopped_at: int | None = None
    for number in rules.index.matching(context):
        rule = rules.rules[number]
        walk.post(rule.name, rule.posts)
        if rule.stop:
            stopped_at = number
            break
    if not walk.matches and stopped_at is None:
        walk.post(OTHERWISE, rules.otherwise)
    return Decision(tuple(walk.matches), stopped_at, rules, context)


def host_changes(
    event: Event,
    rules: Rules,
    *,
    directory: Directory,
    types: Mapping[str, BookingType] = NO_TYPES,
    previous: Booking | None,
    matches: Iterable[Match],
    carded: Mapping[str, Match],
) -> tuple[Match, ...]:
    """What tells hosts who lost or got the booking, where hosts are told of it at all, though the rules do
    not name them for this event: those may ask for its host, or for another event. Never raises.

    `matches` are the rules'. `carded` are the cards by destination, as the matches that made them; a card
    that said farewell is `former`.
    """
    now = event.booking.host_ids
    if not now:
        return ()
    before = previous.host_ids if previous else ()
    taken = _all_names((match.destination for match in matches), directory)
    found = []
    for each in _hosts_told(event, rules, directory, types, previous, carded):
        host = each.destination.removeprefix(HOST_KEY)
        names = _all_names([each.destination], directory)
        is_lost, is_got = host not in now, bool(before) and host not in before and event.name not in _OVER
        if (is_lost or is_got) and taken.isdisjoint(names):
            taken |= names
            found.append(_farewell(each) if is_lost else each)
    return tuple(found)


def _hosts_told(
    event: Event,
    rules: Rules,
    directory: Directory,
    types: Mapping[str, BookingType],
    previous: Booking | None,
    carded: Mapping[str, Match],
) -> Iterator[Match]:
    """How its hosts, those before and those who have a card of it are told of the booking."""
    yield from (match for match in carded.values() if _is_host(match) and not match.former)
    if previous is None or set(previous.host_ids) == set(event.booking.host_ids):
        return
    as_before = replace(event.booking, hosts=previous.hosts)
    for name, booking in (
        (event.name, as_before),
        ("created", event.booking),
        ("created", as_before),
    ):
        told = route(replace(event, name=name, booking=booking), rules, directory=directory, types=types)
        yield from (match for match in told.matches if _is_host(match))


def of_present_hosts(matches: Iterable[Match], present: Booking | None) -> tuple[Match, ...]:
    """What a late event tells, without what hosts would hear who lost or got the booking since."""
    hosts = present.host_ids if present else ()
    return tuple(
        match
        for match in matches
        if not hosts
        or not _is_host(match)
        or match.former != (match.destination.removeprefix(HOST_KEY) in hosts)
    )


def _is_host(match: Match) -> bool:
    return match.destination.startswith(HOST_KEY)


def _farewell(match: Match) -> Match:
    """For a host who lost the booking: nobody else, its new host among them, is called by it."""
    return replace(match, mention="none", broadcast=False, former=True)


def _former_hosts(booking: Booking, previous: Booking | None) -> tuple[str, ...]:
    """Who was a host of it and is none, whichever event tells of that; nobody when no host is told."""
    now = booking.host_ids
    return tuple(host for host in previous.host_ids if host not in now) if previous and now else ()


class _Walk:
    """The destinations found so far for one event."""

    def __init__(self, context: Context, previous: Booking | None) -> None:
        self.matches: list[Match] = []
        self._context = context
        self._hosts = [(host, False) for host in context.booking.host_ids]
        self._hosts += [(host, True) for host in _former_hosts(context.booking, previous)]
        self._taken: set[str] = set()
        self._people = 0

    def post(self, rule: str, posts: tuple[Post, ...]) -> None:
        for post in posts:
            for destination in post.to:
                if destination == HOST:
                    for host, former in self._hosts:
                        self._add(rule, post, HOST_KEY + host, former)
                else:
                    self._add(rule, post, destination, False)

    def _add(self, rule: str, post: Post, destination: str, former: bool) -> None:
        if destination in self._taken:
            return
        person = self._person(destination) if destination[0] in _PERSONAL else None
        names = _names(person) if person else set()
        taken = not self._taken.isdisjoint(names)
        self._taken.update(names, (destination,))
        if taken:
            return
        style: Style = "post" if destination.startswith(WEBHOOK) else post.style
        broadcast = self._context.event.name in post.broadcast
        match = Match(rule, destination, post.message, post.mention, style, broadcast)
        self.matches.append(_farewell(match) if former else match)

    def _person(self, destination: str) -> Person | None:
        """Who a direct message goes to; all the directory is asked only when it matters."""
        if destination.startswith(HOST_KEY):
            return self._context.directory.person(destination.removeprefix(HOST_KEY))
        name = destination.removeprefix("@").casefold()
        hosts = (self._context.directory.person(host) for host, _ in self._hosts)
        everybody = self._context.directory if self._people else ()
        self._people += 1
        known = (p for p in (*hosts, *everybody) if name in (p.email.casefold(), p.slack.casefold()))
        return next(known, None)


def _all_names(destinations: Iterable[str], directory: Directory) -> set[str]:
    """The destinations, and every other way to name the hosts among them."""
    named = set(destinations)
    hosts = [each.removeprefix(HOST_KEY) for each in named if each.startswith(HOST_KEY)]
    return named.union(*(_names(directory.person(host)) for host in hosts))


def _names(person: Person) -> set[str]:
    """Every way to name a person as a destination."""
    names = {HOST_KEY + person.id}
    if person.email:
        names.add("@" + person.email.casefold())
    if person.slack:
        names.add(person.slack)
    return names
