"""The `examples` of a rules file run against its rules: which do not hold, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.core.bookings import Directory
from bridge.core.routing import OTHERWISE, Decision, Match, Step, route
from bridge.core.rules.context import Context
from bridge.core.rules.destinations import HOST, HOST_KEY
from bridge.core.rules.doubts import NO_DOUBTS, Doubts, Suspect
from bridge.core.rules.example_keys import Example
from bridge.core.rules.examples import make_event
from bridge.core.rules.rules import Rule, Rules
from bridge.core.suggestions import listed, quote


def failures(
    examples: Iterable[Example], rules: Rules, now: datetime | None = None, doubts: Doubts = NO_DOUBTS
) -> Iterator[tuple[Example, str]]:
    """The examples that do not hold, whatever becomes of the doubtful parts, with the difference in words."""
    if doubts.everything:
        return
    directory = Directory(people=rules.people)
    world = _World(rules, directory, doubts)
    for example in examples:
        if example.event is None or example.posts is None:
            continue
        event, previous = make_event(
            example.event, zone=rules.settings.timezone, directory=directory, now=now
        )
        decision = route(event, world.known, directory=directory, previous=previous)
        context = Context(event, directory, {}, rules.settings.timezone)
        said = _difference(example.posts, decision, world.verdict(decision, context), world.known)
        if said:
            yield example, said


@dataclass(frozen=True, slots=True)
class _Open:
    """What may still change where one event goes: suspects in reach, and whether `otherwise` is known."""

    suspects: tuple[tuple[Suspect, Rule | None], ...]
    doubts: Doubts
    walked: bool
    positions: dict[str, int]

    def may_add(self, destination: str) -> bool:
        """Whether the event may go there too."""
        for suspect, rule in self.suspects:
            known = rule is not None and any(destination in post.to for post in rule.posts)
            if known or (suspect.to is not None and suspect.to.may_be(destination)):
                return True
        if self.walked or self.doubts.otherwise is None:
            return False
        return self.doubts.otherwise.may_be(destination)

    def may_take(self, match: Match) -> bool:
        """Whether the event may not go there after all."""
        if match.rule == OTHERWISE:
            return bool(self.suspects) or self.doubts.otherwise is not None
        stops = [s.position for s, rule in self.suspects if s.stop or (rule is not None and rule.stop)]
        return bool(stops) and min(stops) < self.positions.get(match.rule, 0)


class _World:
    """The rules that are wholly known, or of which only the destinations or the end are not."""

    def __init__(self, rules: Rules, directory: Directory, doubts: Doubts) -> None:
        self._rules, self._doubts = rules, doubts
        unmatched = {suspect.position for suspect in doubts.rules if suspect.when}
        kept = [(n, rule) for n, rule in enumerate(rules.rules) if n not in unmatched]
        self._numbers = [n for n, _ in kept]
        self._positions = {rule.name: n for n, rule in kept}
        self.known = replace(rules, rules=tuple(rule for _, rule in kept)) if unmatched else rules

    def verdict(self, decision: Decision, context: Context) -> _Open:
        end = float("inf") if decision.stopped_at is None else self._numbers[decision.stopped_at]
        found = []
        for suspect in self._doubts.rules:
            is_read = suspect.position == int(suspect.position)
            rule = self._rules.rules[int(suspect.position)] if is_read else None
            if suspect.position <= end and (rule is None or suspect.when or rule.when.holds(context)):
                found.append((suspect, rule))
        walked = decision.stopped_at is not None or any(m.rule != OTHERWISE for m in decision.matches)
        return _Open(tuple(found), self._doubts, walked, self._positions)


def _name(match: Match) -> str:
    return HOST if match.destination.startswith(HOST_KEY) else match.destination


def _difference(expected: tuple[str, ...], decision: Decision, left: _Open, rules: Rules) -> str:
    got = dict.fromkeys(map(_name, decision.matches))
    missing = [name for name in dict.fromkeys(expected) if name not in got and not left.may_add(name)]
    added = dict.fromkeys(
        f"{quote(_name(match))} (by {quote(match.rule)})"
        for match in decision.matches
        if _name(match) not in expected and not left.may_take(match)
    )
    if not missing and not added:
        return ""
    goes = listed(map(quote, got), "and") if got else "nowhere"
    if left.suspects or (left.doubts.otherwise and not left.walked):
        parts = ["this example does not hold, however the rest is mended"]
    else:
        parts = [f"this example does not hold: it goes {'to ' if got else ''}{goes}"]
    if missing:
        parts.append(f"missing {listed(map(quote, missing), 'and')}{_why(missing, decision, rules)}")
    if added:
        parts.append(f"not expected {listed(added, 'and')}")
    return "; ".join(parts)


def _why(missing: Collection[str], decision: Decision, rules: Rules) -> str:
    """Why the first rule that could have posted to what is missing did not."""
    wanted = set(missing)
    names = {rule.name for rule in rules.rules if any(wanted & set(post.to) for post in rule.posts)}
    step = next((step for step in decision.trace if step.rule in names and not step.matched), None)
    return f" ({reason(step)})" if step else ""


def reason(step: Step) -> str:
    """Why a rule did not match, in words."""
    if not step.reached:
        return f"rule {quote(step.rule)} was not reached: an earlier rule stopped"
    about = f"{step.path} " if step.path else ""
    return f"rule {quote(step.rule)} did not match: {about}wanted {step.wanted}, got {step.got}"
