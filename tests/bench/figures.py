"""What a bench hands over: a figure, what it is measured against, and whether its goal is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table.

    `yardstick` is what was measured beside it in the same run, `goal` what it should be ("" for a peer or
    a remark, which has none), and `reached` whether it is, None without a goal.
    """

    what: str
    measured: str
    yardstick: str = ""
    goal: str = ""
    reached: bool | None = None

    @property
    def mark(self) -> str:
        """✓, ✗, or nothing without a goal."""
        return "" if self.reached is None else "✓" if self.reached else "✗"

    @property
    def line(self) -> str:
        """The figure as one line of text."""
        against = f", {self.yardstick}" if self.yardstick else ""
        goal = f" (goal {self.goal}) {self.mark}" if self.goal else ""
        return f"{self.what}: {self.measured}{against}{goal}"

    @property
    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        cells = (self.what, self.measured, self.yardstick, self.goal, self.mark)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def at_most(what: str, value: float, goal: float, form: str = "{:.2f}", yardstick: str = "") -> Figure:
    """A figure that should be small; `form` writes it and its goal, such as "{:.1f} ms"."""
    wanted = f"at most {form.format(goal)}"
    return Figure(what, form.format(value), yardstick, wanted, value <= goal)


def at_least(what: str, value: float, goal: float, form: str = "{:.2f}", yardstick: str = "") -> Figure:
    """A figure that should be large; see `at_most`."""
    wanted = f"at least {form.format(goal)}"
    return Figure(what, form.format(value), yardstick, wanted, value >= goal)


def beside(values: Sequence[float], yardsticks: Sequence[float]) -> float:
    """The median ratio of what was measured in turn with its yardstick: a machine's pace changes."""
    return median(value / yardstick for value, yardstick in zip(values, yardsticks, strict=True))
