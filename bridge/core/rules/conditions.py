"""The conditions of `when`: frozen values that say whether they hold and, when not, why.

`holds` decides; `explain` asks the same `holds` and only puts the answer into words, so what is said
about a rule is what happened to it. Which keys there are is the table in `core.rules.condition_keys`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from bridge.core.rules.amounts import DAY_NAMES, DAYS, Clock, length_text
from bridge.core.rules.context import QUANTITIES, Context
from bridge.core.rules.patterns import Pattern, Value
from bridge.core.suggestions import listed

_LONGEST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a condition does not hold: its path below `when`, what it wanted, what the event has."""

    path: str
    wanted: str
    got: str


class Condition(Protocol):
    """What can stand under `when`."""

    def holds(self, context: Context) -> bool:
        """Whether the event is one of those meant."""

    def explain(self, context: Context) -> Miss | None:
        """None when it holds, else the first reason why not."""


class _Leaf:
    """A condition about one thing; gives `explain` to those that say what they want and what there is."""

    __slots__ = ()
    path: str

    def holds(self, context: Context) -> bool:
        raise NotImplementedError

    def got(self, context: Context) -> str:
        raise NotImplementedError

    def wanted(self) -> str:
        raise NotImplementedError

    def explain(self, context: Context) -> Miss | None:
        if self.holds(context):
            return None
        got = self.got(context)
        shown = got if len(got) <= _LONGEST_SHOWN else got[:_LONGEST_SHOWN] + "…"
        return Miss(self.path, self.wanted(), shown or "nothing")

    def __str__(self) -> str:
        return f"{self.path}: {self.wanted()}"


@dataclass(frozen=True, slots=True)
class Matches(_Leaf):
    """One of the patterns matches one of the texts of a key of `SUBJECTS`."""

    path: str
    patterns: tuple[Pattern, ...]

    def values(self, context: Context) -> tuple[Value, ...]:
        return context.values(self.path)

    def holds(self, context: Context) -> bool:
        for value in self.values(context):
            for pattern in self.patterns:
                if pattern.matches(value):
                    return True
        return False

    def wanted(self) -> str:
        return listed(map(str, self.patterns))

    def got(self, context: Context) -> str:
        return ", ".join(text for text, *_ in self.values(context))

    __str__ = _Leaf.__str__


@dataclass(frozen=True, slots=True)
class Answered(Matches):
    """One of the patterns matches what was answered to `label`: folded, a label or a question id."""

    label: str = ""

    def values(self, context: Context) -> tuple[Value, ...]:
        return context.answers().get(self.label, ())

    __str__ = _Leaf.__str__


@dataclass(frozen=True, slots=True)
class Between(_Leaf):
    """A key of `QUANTITIES` lies within the limits, both included; None is no limit."""

    path: str
    low: int | None
    high: int | None

    def holds(self, context: Context) -> bool:
        number = QUANTITIES[self.path](context)
        if number is None:
            return False
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    def wanted(self) -> str:
        low, high = self._text(self.low), self._text(self.high)
        if self.low == self.high:
            return low
        return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"

    def got(self, context: Context) -> str:
        return self._text(QUANTITIES[self.path](context))

    def _text(self, number: int | None) -> str:
        if number is None:
            return ""
        return length_text(timedelta(minutes=number)) if self.path == "duration" else str(number)

    __str__ = _Leaf.__str__


@dataclass(frozen=True, slots=True)
class Starts(_Leaf):
    """The booking starts at most (`starts_within`) or more than (`starts_after`) so long after the event."""

    path: str
    length: timedelta

    def holds(self, context: Context) -> bool:
        ahead = context.starts_in
        return ahead is not None and (ahead <= self.length) is (self.path == "starts_within")

    def wanted(self) -> str:
        most = "at most" if self.path == "starts_within" else "more than"
        return f"{most} {length_text(self.length)} after the event"

    def got(self, context: Context) -> str:
        ahead = context.starts_in
        if ahead is None:
            return "no start"
        if ahead < timedelta():
            return f"{length_text(-ahead)} before the event"
        return f"{length_text(ahead)} after the event"

    __str__ = _Leaf.__str__


@dataclass(frozen=True, slots=True)
class OnDay(_Leaf):
    """The booking starts on one of these days (names of `DAY_NAMES`), in the rules' time zone."""

    path: str
    days: tuple[str, ...]

    def holds(self, context: Context) -> bool:
        start = context.local_start
        return start is not None and any(start.weekday() in DAY_NAMES[name] for name in self.days)

    def wanted(self) -> str:
        return listed(self.days)

    def got(self, context: Context) -> str:
        start = context.local_start
        return f"{DAYS[start.weekday()]} in {context.zone.key}" if start else "no start"

    __str__ = _Leaf.__str__


@dataclass(frozen=True, slots=True)
class AtTime(_Leaf):
    """The booking starts within one of these spans of the day, in the rules' time zone."""

    path: str
    spans: tuple[Clock, ...]

    def holds(self, context: Context) -> bool:
        start = context.local_start
        return start is not None and any(span.holds(start.time()) for span in self.spans)

    def wanted(self) -> str:
        return listed(map(str, self.spans))

    def got(self, context: Context) -> str:
        start = context.local_start
        return f"{start:%H:%M} in {context.zone.key}" if start else "no start"

    __str__ = _Leaf.__str__


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; without parts it always does."""

    parts: tuple[Condition, ...] = ()

    def holds(self, context: Context) -> bool:
        return all(part.holds(context) for part in self.parts)

    def explain(self, context: Context) -> Miss | None:
        return next((miss for part in self.parts if (miss := part.explain(context))), None)

    def __str__(self) -> str:
        return "; ".join(map(str, self.parts)) or "everything"


@dataclass(frozen=True, slots=True)
class Not(_Leaf):
    """The condition inside does not hold."""

    path: str
    inner: All

    def holds(self, context: Context) -> bool:
        return not self.inner.holds(context)

    def wanted(self) -> str:
        return f"not ({self.inner})"

    def got(self, context: Context) -> str:
        return _found(self.inner, context)

    __str__ = _Leaf.__str__


@dataclass(frozen=True, slots=True)
class AnyOf(_Leaf):
    """At least one of the alternatives holds."""

    path: str
    alternatives: tuple[All, ...]

    def holds(self, context: Context) -> bool:
        return any(alternative.holds(context) for alternative in self.alternatives)

    def wanted(self) -> str:
        return " or ".join(f"({alternative})" for alternative in self.alternatives)

    def got(self, context: Context) -> str:
        misses = [miss for alternative in self.alternatives if (miss := alternative.explain(context))]
        return "; ".join(dict.fromkeys(f"{miss.path}: {miss.got}" for miss in misses))

    __str__ = _Leaf.__str__


def _found(condition: All, context: Context) -> str:
    """What the event has of everything the condition asks about."""
    parts = [part for part in condition.parts if isinstance(part, _Leaf)]
    return "; ".join(f"{part.path}: {part.got(context)}" for part in parts)


EVERYTHING: Final = All()
