"""The bench's tables: what they say, where they are written, and that nothing else is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import __main__ as bench
from tests.bench import growing, report
from tests.bench.figures import Figure, at_least, at_most
from tests.bench.plot import Line, Panel, svg

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


def test_a_plot_has_a_line_and_its_values_for_each_series() -> None:
    """Well-formed, the points where logarithmic axes put them, and the same costs on one height."""
    level, steep = Line("level <1>", [(10, 5), (100, 5), (1000, 5)]), Line("steep", [(10, 1), (1000, 100)])
    root = ElementTree.fromstring(
        svg([Panel("A", "things", "{:.0f} s".format, [level, steep])], "what & how")
    )
    space = "{http://www.w3.org/2000/svg}"
    places = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter(f"{space}circle")]
    assert len({y for _, y in places[:3]}) == 1
    assert places[1][0] == pytest.approx((places[0][0] + places[2][0]) / 2)
    assert places[3][1] > places[4][1]
    said = [text.text for text in root.iter(f"{space}text")]
    assert {"A", "things", "level <1>", "steep", "1 s", "10 s", "100 s", "1,000"} <= set(said)
    assert root.attrib["aria-label"] == "what & how"


def test_growth_is_written_to_its_own_place(root: Path) -> None:
    text = f"{README}{report.GROWTH_BEGIN}\n{report.GROWTH_END}\n"
    (root / "README.md").write_text(text, encoding="utf-8")
    rows = growing.figures({"a step": [(10, 2e-6), (1000, 4e-6)]}, growing.duration, "rules")
    report.write_growth(rows, "<svg/>", "today", root)
    written = (root / "README.md").read_text("utf-8")
    assert written.startswith(README)
    assert "| a step, with 10 · 1,000 rules | 2 µs · 4 µs | 100 × as many: 2.0 × |" in written
    assert (root / "docs" / "growth.svg").read_text("utf-8") == "<svg/>"


@pytest.mark.parametrize(("seconds", "said"), [(12.34, "12.3 s"), (0.0021, "2.1 ms"), (8.2e-5, "82 µs")])
def test_a_duration_is_told_in_the_unit_that_suits_it(seconds: float, said: str) -> None:
    assert growing.duration(seconds) == said
