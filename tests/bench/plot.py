"""A small plot with logarithmic axes, as an SVG that fits a light page and a dark one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 300, 240
_LEFT, _TOP, _RIGHT, _BOTTOM = 62, 34, 28, 42
_GAP, _LEGEND = 10, 18
_COLOURS = ("a", "b", "c", "d")
_STYLE = """\
text{font:11px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#57606a}
.title{font-weight:600;font-size:13px;fill:#1f2328}.grid{stroke:#d0d7de;stroke-width:1}
.line{fill:none;stroke-width:2}.page{fill:#fff}
.a{stroke:#0969da}.b{stroke:#bc4c00}.c{stroke:#1a7f37}.d{stroke:#8250df}
circle{stroke-width:2;fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#9198a1}.title{fill:#f0f6fc}.grid{stroke:#30363d}
.page,circle{fill:#0d1117}
.a{stroke:#4493f8}.b{stroke:#f0883e}.c{stroke:#3fb950}.d{stroke:#ab7df8}}"""


@dataclass(frozen=True, slots=True)
class Line:
    """A measured series: its name, and (x, y) points, all above zero, x rising."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: its title, what x counts, how a y is written, and its lines."""

    title: str
    counts: str
    unit: Callable[[float], str]
    lines: Sequence[Line]


def svg(panels: Sequence[Panel], alternative: str) -> str:
    """The panels side by side; `alternative` says in words what they show."""
    rows = max(len(panel.lines) for panel in panels)
    width = len(panels) * (_WIDTH + _GAP) - _GAP
    height = _HEIGHT + rows * _LEGEND + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(alternative)}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({number * (_WIDTH + _GAP)},0)">')
        parts += [*_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> Iterable[str]:
    xs = [x for line in panel.lines for x, _ in line.points]
    ys = [y for line in panel.lines for _, y in line.points]
    across = _scale(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    high = max(high, low + 1)
    up = _scale(10**low, 10**high, _HEIGHT - _BOTTOM, _TOP)
    yield _text(_LEFT, 18, panel.title, "title")
    for exponent in range(low, high + 1):
        y = up(10**exponent)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        yield _text(_LEFT - 6, y + 4, panel.unit(10**exponent), anchor="end")
    for x in sorted(set(xs)):
        yield f'<path class="grid" d="M{across(x):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
        yield _text(across(x), _HEIGHT - _BOTTOM + 16, f"{x:,.0f}", anchor="middle")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, panel.counts, anchor="middle")
    for number, line in enumerate(panel.lines):
        yield from _line(line, _COLOURS[number % len(_COLOURS)], across, up)
        y = _HEIGHT + number * _LEGEND + 4
        yield f'<path class="line {_COLOURS[number % len(_COLOURS)]}" d="M{_LEFT} {y}h18"/>'
        yield _text(_LEFT + 24, y + 4, line.name)


def _line(
    line: Line, colour: str, across: Callable[[float], float], up: Callable[[float], float]
) -> Iterable[str]:
    """A series with its points, each of which says its value when it is pointed at."""
    places = [(across(x), up(y)) for x, y in line.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    yield f'<path class="line {colour}" d="M{path}"/>'
    for (x, y), (count, value) in zip(places, line.points, strict=True):
        said = escape(f"{line.name}: {value:.3g} at {count:,.0f}")
        yield f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{said}</title></circle>'


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """From a value to its place on a logarithmic axis."""
    span = math.log10(high / low) or 1.0
    return lambda value: start + (end - start) * math.log10(value / low) / span


def _text(x: float, y: float, said: str, name: str = "", anchor: str = "start") -> str:
    given = f' class="{name}"' if name else ""
    return f'<text{given} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
