"""The tables that runs write: to docs/bench.md, and between marks in README.md."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figures import Figure

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- written by make bench -->", "<!-- end of make bench -->"
GROWTH_BEGIN = "<!-- written by make bench ARGS=growing -->"
GROWTH_END = "<!-- end of growing -->"
HEAD = "| | measured | beside it | goal | |\n|---|---|---|---|---|"
_INTRODUCTION = """\
# Figures

Written by `make bench`. Each figure is measured beside its yardstick in the same run: a ratio says more than
a number, which belongs to one machine. ✓ and ✗ say whether the goal is reached; what has no goal is there to
compare.
"""

Results = Mapping[str, Sequence[Figure]]
"""The figures of each part, by its name."""


def machine() -> str:
    """When and on what: cores, processor, system, Python, SQLite."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {_processor()}, {system}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def rows(figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    return "\n".join([HEAD, *(figure.row for figure in figures)])


def growth_rows(figures: Sequence[Figure]) -> str:
    """A Markdown table of what grows, without goals."""
    lines = [f"| {figure.what} | {figure.measured} | {figure.yardstick} |" for figure in figures]
    return "\n".join(["| | measured | growth |", "|---|---|---|", *lines])


def write(results: Results, when: str, root: Path = ROOT) -> None:
    """Write the tables of a whole run. Raises ValueError, before writing, when README.md lacks the marks."""
    every = [figure for figures in results.values() for figure in figures]
    text = _placed(root, BEGIN, END, f"Last run: {when}.\n\n{rows(every)}")
    parts = "\n".join(f"\n## {name.capitalize()}\n\n{rows(figures)}" for name, figures in results.items())
    (root / "docs" / "bench.md").write_text(f"{_INTRODUCTION}\n{when}.\n{parts}\n", encoding="utf-8")
    (root / "README.md").write_text(text, encoding="utf-8")


def write_growth(figures: Sequence[Figure], plot: str, when: str, root: Path = ROOT) -> None:
    """Write the plot and the table of what grows. Raises ValueError as `write` does."""
    text = _placed(root, GROWTH_BEGIN, GROWTH_END, f"{growth_rows(figures)}\n\nMeasured {when}.")
    (root / "docs" / "growth.svg").write_text(plot, encoding="utf-8")
    (root / "README.md").write_text(text, encoding="utf-8")


def _placed(root: Path, begin: str, end: str, table: str) -> str:
    """README.md with this between two marks."""
    before, found, rest = (root / "README.md").read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"README.md has no place for the table, between {begin!r} and {end!r}")
    return f"{before}{begin}\n{table}\n{end}{after}"
