"""Which rules match an event, found without trying them one by one.

Rules are numbered, and sets of rules are integers with one bit for each. For every subject of a
pattern the index knows which rules do not ask about it and which ask for a literal; globs and regular
expressions of all rules together are searched in one pass (RE2's sets). Other conditions are asked
once for all rules that share them, or only where everything else already matches. The answer is what
asking each rule's condition would give, in any order of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import re2

from bridge.core.rules.conditions import All, Answered, Condition, Matches
from bridge.core.rules.context import SUBJECTS, Context
from bridge.core.rules.patterns import Pattern, Value

_MOST_MEMORY: Final = 64 << 20
"""For one set of expressions; where that is not enough they are searched one by one."""


class RuleIndex:
    """Built once from the conditions of all rules, in their order."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._everything = (1 << len(conditions)) - 1
        self._free: dict[str, int] = {}
        self._subjects: dict[str, _Subject] = {}
        self._answers: dict[str, _Subject] = {}
        self._answered = 0
        self._others: dict[Condition, int] = {}
        self._rest: list[list[Condition]] = []
        for number, condition in enumerate(conditions):
            parts = condition.parts if isinstance(condition, All) else (condition,)
            rest = [part for part in parts if not self._take(part, 1 << number)]
            self._rest.append(rest)
            for part in rest:
                self._others[part] = self._others.get(part, 0) | 1 << number
        self._order = [path for path in SUBJECTS if path in self._subjects]
        for subject in (*self._subjects.values(), *self._answers.values()):
            subject.compile()

    def _take(self, part: Condition, bit: int) -> bool:
        """Note a condition on texts; False when it is another one, or one too many for this rule."""
        if isinstance(part, Answered):
            if self._answered & bit:
                return False
            self._answered |= bit
            self._answers.setdefault(part.label, _Subject()).add(part.patterns, bit)
            return True
        if isinstance(part, Matches) and self._free.get(part.path, self._everything) & bit:
            self._free[part.path] = self._free.get(part.path, self._everything) & ~bit
            self._subjects.setdefault(part.path, _Subject()).add(part.patterns, bit)
            return True
        return False

    def matching(self, context: Context) -> Iterator[int]:
        """The numbers of the rules whose condition holds, ascending."""
        alive = self._by_text(context)
        shared = len(self._others) < alive.bit_count()
        if shared:
            for condition, mask in self._others.items():
                if mask & alive and not condition.holds(context):
                    alive &= ~mask
        while alive:
            lowest = alive & -alive
            alive ^= lowest
            number = lowest.bit_length() - 1
            if shared or all(part.holds(context) for part in self._rest[number]):
                yield number

    def _by_text(self, context: Context) -> int:
        """The rules whose patterns match."""
        alive = self._everything
        for path in self._order:
            alive &= self._free[path] | self._subjects[path].find(context.values(path), alive)
            if not alive:
                return 0
        if self._answered & alive:
            found = self._everything & ~self._answered
            for label, values in context.answers().items():
                subject = self._answers.get(label)
                if subject:
                    found |= subject.find(values, alive)
            alive &= found
        return alive


class _Subject:
    """All patterns about one subject, each with the rules that have it."""

    def __init__(self) -> None:
        self._literals: dict[str, int] = {}
        self._expressions: dict[Pattern, int] = {}
        self._sets: list[_Set] = []

    def add(self, patterns: Iterable[Pattern], bit: int) -> None:
        for pattern in patterns:
            if pattern.literal is not None:
                self._literals[pattern.literal] = self._literals.get(pattern.literal, 0) | bit
            else:
                self._expressions[pattern] = self._expressions.get(pattern, 0) | bit

    def compile(self) -> None:
        found = self._expressions.items()
        for is_glob in (False, True):
            self._sets += _sets([(p, mask) for p, mask in found if p.is_glob is is_glob], is_glob)

    def find(self, values: tuple[Value, ...], alive: int) -> int:
        """The rules, among those alive, with a pattern that matches one of the values."""
        mask = 0
        for value in values:
            mask |= self._literals.get(value[1], 0)
            for found in self._sets:
                if found.rules & alive:
                    mask |= found.find(value)
        return mask


class _Set:
    """Expressions searched together, or one by one when RE2 cannot hold them (`compiled` is None).

    Either all are globs, which see the folded text, or none is.
    """

    def __init__(self, compiled: Any, patterns: list[tuple[Pattern, int]], is_glob: bool) -> None:
        self._compiled = compiled
        self._is_glob = is_glob
        self._patterns = patterns
        self._masks = [*(mask for _, mask in patterns), 0]
        self.rules = 0
        for mask in self._masks:
            self.rules |= mask

    def find(self, value: Value) -> int:
        """The rules whose expression matches.

        The set ends with an expression that always matches, so that no match at all means that the
        search ran out of memory.
        """
        found = self._compiled.Match(value[2 if self._is_glob else 0]) if self._compiled else None
        mask = 0
        if found:
            for number in found:
                mask |= self._masks[number]
        else:
            for pattern, rules in self._patterns:
                if pattern.matches(value):
                    mask |= rules
        return mask


def _sets(patterns: list[tuple[Pattern, int]], is_glob: bool) -> Iterator[_Set]:
    """One set for all expressions, or several where one would be too large for RE2."""
    if not patterns:
        return
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    compiled = re2.Set.SearchSet(options)
    try:
        for pattern, _ in patterns:
            compiled.Add(pattern.expression)
        compiled.Add("")
        compiled.Compile()
    except re2.error:
        if len(patterns) == 1:
            yield _Set(None, patterns, is_glob)
        else:
            half = len(patterns) // 2
            yield from _sets(patterns[:half], is_glob)
            yield from _sets(patterns[half:], is_glob)
    else:
        yield _Set(compiled, patterns, is_glob)
