"""The bench's tables: what they say, where they are written, and that nothing else is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import report
from tests.bench.figures import Figure, at_least, at_most

ROOT = Path(__file__).parents[1]
README = f"# A\n\nbefore\n{report.BEGIN}\nold\n{report.END}\nafter\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    (tmp_path / "docs").mkdir()
    return tmp_path


def test_a_goal_is_reached_at_its_bound() -> None:
    assert [at_most("a", value, 15, "{:.1f} ms").mark for value in (15, 15.1)] == ["✓", "✗"]
    assert [at_least("a", value, 0.5).mark for value in (0.5, 0.49)] == ["✓", "✗"]
    assert Figure("a peer", "3 times").mark == ""


def test_a_figure_is_one_line_and_one_row() -> None:
    figure = at_most("a|b", 7.73, 15, "{:.1f} ms", "bare 5 ms")
    assert figure.line == "a|b: 7.7 ms, bare 5 ms (goal at most 15.0 ms) ✓"
    assert figure.row == "| a\\|b | 7.7 ms | bare 5 ms | at most 15.0 ms | ✓ |"


def test_tables_are_written_between_the_marks_and_nowhere_else(root: Path) -> None:
    results = {"one": [at_most("a", 1, 2)], "two": [Figure("b", "3 times")]}
    report.write(results, "today, here", root)
    text = (root / "README.md").read_text("utf-8")
    assert text.startswith("# A\n\nbefore\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert [
        row for row in text.splitlines() if row.startswith("| ") and row != report.HEAD.splitlines()[0]
    ] == [
        "| a | 1.00 |  | at most 2.00 | ✓ |",
        "| b | 3 times |  |  |  |",
    ]
    report.write(results, "today, here", root)
    assert (root / "README.md").read_text("utf-8") == text


def test_nothing_is_written_without_a_place_for_it(root: Path) -> None:
    (root / "README.md").write_text("# A\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place"):
        report.write({"one": [at_most("a", 1, 2)]}, "today", root)
    assert list((root / "docs").iterdir()) == []


@pytest.mark.parametrize("chosen", [["one"], ["one", "broken"], []])
def test_only_a_whole_run_that_succeeds_writes(
    chosen: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Sequence[Figure]:
        raise RuntimeError("a server did not start")

    parts = {"one": lambda: [at_most("a", 1, 2)], "broken": broken}
    monkeypatch.setattr(bench, "PARTS", parts)
    monkeypatch.setattr(bench, "ROOT", root)
    if chosen == ["one"]:
        bench.main(chosen)
    else:
        with pytest.raises(RuntimeError):
            bench.main(chosen)
    assert (root / "README.md").read_text("utf-8") == README
    parts.pop("broken")
    bench.main([])
    assert "| a | 1.00 |" in (root / "README.md").read_text("utf-8")


def test_the_readme_shows_the_figures_of_the_last_run() -> None:
    """Nobody edits one of the two by hand."""
    table = re.search(f"{report.BEGIN}\n(.*){report.END}", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert table
    shown, kept = (
        [line for line in text.splitlines() if line.startswith("| ") and line != report.HEAD.splitlines()[0]]
        for text in (table[1], (ROOT / "docs" / "bench.md").read_text("utf-8"))
    )
    assert shown == kept != []
