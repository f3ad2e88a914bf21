"""Problems of a rules file, each with its place, and how they are printed.

Lines and columns count from 1. A path names a value by its keys, lists counting from 0:
`rules[1].post.to`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

Severity = Literal["error", "warning"]
_MOST: Final = 200
"""Reading ends with this many errors, and no more warnings are kept: a hostile file must not fill memory."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, at a place of the file; ordered by place."""

    line: int
    column: int
    path: str
    message: str
    severity: Severity = "error"

    def text(self, name: str = "rules.yaml") -> str:
        """ "rules.yaml:7:5: rules[1].post: unknown key 'mesage'"; a warning says so after the place."""
        mark = "warning: " if self.severity == "warning" else ""
        path = f"{self.path}: " if self.path else ""
        return f"{name}:{self.line}:{self.column}: {mark}{path}{self.message}"

    def as_json(self) -> dict[str, str | int]:
        """The problem for editors and CI."""
        return {
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "message": self.message,
            "severity": self.severity,
        }


class RulesError(Exception):
    """The file cannot be used. `problems` holds every error and warning, sorted by place."""

    def __init__(self, problems: Iterable[Problem], name: str = "rules.yaml") -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        self.name = name
        super().__init__("\n".join(report(self.problems, name)))

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


class Enough(Exception):
    """So many problems that reading on helps nobody."""


class Problems:
    """Collects problems while a file is read; the same one said twice is kept once.

    What stands behind an anchor is read again for each alias, and told by its first path.
    """

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._said: set[tuple[int, int, str]] = set()
        self._count: dict[Severity, int] = {"error": 0, "warning": 0}

    def add(self, problem: Problem) -> None:
        """Keep this one. Raises Enough, but never for a warning: what is only odd must be read to the end."""
        said = (problem.line, problem.column, problem.message)
        if said in self._said or self._count[problem.severity] >= _MOST:
            return
        self._said.add(said)
        self._found[problem] = None
        self._count[problem.severity] += 1
        if self._count["error"] >= _MOST:
            raise Enough

    def drop(self, problem: Problem) -> None:
        """Leave this one out: something better is said of the same."""
        if self._found.pop(problem, self) is None:
            self._count[problem.severity] -= 1

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self._found if problem.severity == "error"]

    @property
    def failed(self) -> bool:
        return bool(self.errors)

    def sorted(self) -> list[Problem]:
        """All problems by place; when reading ended early, or warnings were left out, a last one says so."""
        found = sorted(self._found)
        if max(self._count.values()) >= _MOST:
            found.append(replace(found[-1], path="", message="and maybe more; mend these first"))
        return found


def report(problems: Sequence[Problem], name: str = "rules.yaml") -> list[str]:
    """The lines `check` prints: one for each problem, then how many there are."""
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    counts = [_count(errors, "problem")] if errors else []
    counts += [_count(warnings, "warning")] if warnings else []
    return [*(problem.text(name) for problem in problems), ", ".join(counts) or "no problems"]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
