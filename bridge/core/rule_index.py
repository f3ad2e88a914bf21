"""Which rules can match an event, found without trying them all.

Rules are numbered, and sets of rules are integers with one bit for each. For every subject of a
pattern the index knows which rules do not ask about it and which ask for a literal; the rest, globs
and regular expressions of all rules together, are searched in one pass (RE2's sets). The answer may
hold rules that do not match, never leaves out one that does: conditions alone decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import re2

from bridge.core.conditions import SUBJECTS, All, Answered, Condition, Context, Matches
from bridge.core.patterns import Pattern, fold

_MOST_MEMORY: Final = 64 << 20
"""For one set of expressions; RE2 answers an event that would need more by "do not know"."""


class RuleIndex:
    """Built once from the conditions of all rules, in their order."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._everything = (1 << len(conditions)) - 1
        self._subjects: dict[str, _Subject] = {}
        self._answers: dict[str, _Subject] = {}
        self._answered = 0
        self._others: dict[Condition, int] = {}
        asking: dict[str, int] = {}
        for number, condition in enumerate(conditions):
            bit = 1 << number
            for part in condition.parts if isinstance(condition, All) else (condition,):
                if isinstance(part, Answered):
                    if not self._answered & bit:
                        self._answered |= bit
                        self._answers.setdefault(part.label, _Subject()).add(part.patterns, bit)
                elif isinstance(part, Matches):
                    asking[part.path] = asking.get(part.path, 0) | bit
                    self._subjects.setdefault(part.path, _Subject()).add(part.patterns, bit)
                else:
                    self._others[part] = self._others.get(part, 0) | bit
        self._free = {path: self._everything & ~mask for path, mask in asking.items()}
        for subject in (*self._subjects.values(), *self._answers.values()):
            subject.compile()

    def candidates(self, context: Context) -> Iterator[int]:
        """The numbers of the rules that may match, ascending."""
        alive = self._everything
        for path in SUBJECTS:
            subject = self._subjects.get(path)
            if subject and alive:
                alive &= self._free[path] | subject.find(context.values(path))
        if self._answered & alive:
            alive &= self._asked(context) | (self._everything & ~self._answered)
        alive = self._narrow(alive, context)
        while alive:
            lowest = alive & -alive
            yield lowest.bit_length() - 1
            alive ^= lowest

    def _asked(self, context: Context) -> int:
        """The rules about answers whose (first) answer matches."""
        mask = 0
        for label, values in context.answers.items():
            subject = self._answers.get(label)
            if subject:
                mask |= subject.find(values)
        return mask

    def _narrow(self, alive: int, context: Context) -> int:
        """Ask each of the other conditions once for all rules that share it, where that saves work."""
        if len(self._others) >= alive.bit_count():
            return alive
        for condition, mask in self._others.items():
            if mask & alive and not condition.holds(context):
                alive &= ~mask
        return alive


class _Subject:
    """All patterns about one subject, each with the rules that have it."""

    def __init__(self) -> None:
        self._literals: dict[str, int] = {}
        self._globs: dict[Pattern, int] = {}
        self._expressions: dict[Pattern, int] = {}
        self._glob_sets: list[_Set] = []
        self._expression_sets: list[_Set] = []

    def add(self, patterns: Iterable[Pattern], bit: int) -> None:
        for pattern in patterns:
            if pattern.literal is not None:
                self._literals[pattern.literal] = self._literals.get(pattern.literal, 0) | bit
            else:
                kind = self._globs if pattern.folded else self._expressions
                kind[pattern] = kind.get(pattern, 0) | bit

    def compile(self) -> None:
        self._glob_sets = list(_sets(list(self._globs.items())))
        self._expression_sets = list(_sets(list(self._expressions.items())))

    def find(self, values: tuple[str, ...]) -> int:
        """The rules with a pattern that matches one of the values."""
        mask = 0
        for value in values:
            folded = fold(value)
            mask |= self._literals.get(folded, 0)
            for found in self._glob_sets:
                mask |= found.find(folded)
            for found in self._expression_sets:
                mask |= found.find(value)
        return mask


class _Set:
    """Expressions searched together. `compiled` is None when RE2 cannot hold them: then all may match."""

    def __init__(self, compiled: Any, masks: list[int]) -> None:
        self._compiled = compiled
        self._masks = masks
        self._all = 0
        for mask in masks:
            self._all |= mask

    def find(self, text: str) -> int:
        """The rules whose expression matches; every rule when the search ran out of memory.

        The set ends with an expression that always matches, so no match at all means the latter.
        """
        found = self._compiled.Match(text) if self._compiled else None
        if not found:
            return self._all
        mask = 0
        for number in found:
            if number < len(self._masks):
                mask |= self._masks[number]
        return mask


def _sets(patterns: list[tuple[Pattern, int]]) -> Iterator[_Set]:
    """One set for all expressions, or several where one would be too large for RE2."""
    if not patterns:
        return
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    compiled = re2.Set.SearchSet(options)
    masks = [mask for _, mask in patterns]
    try:
        for pattern, _ in patterns:
            compiled.Add(pattern.expression)
        compiled.Add("")
        compiled.Compile()
    except re2.error:
        if len(patterns) == 1:
            yield _Set(None, masks)
        else:
            half = len(patterns) // 2
            yield from _sets(patterns[:half])
            yield from _sets(patterns[half:])
    else:
        yield _Set(compiled, masks)
