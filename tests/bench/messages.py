"""How long the default message takes: `python -m tests.bench.messages`. The goal is 300 µs at most."""

from __future__ import annotations

import statistics
import time

from bridge.core.messages.messages import render
from bridge.core.messages.samples import samples
from bridge.core.rules.rules import Rules
from tests.bench.figures import Figure, at_most

ROUNDS = 1_000
GOAL = 300


def bench() -> list[Figure]:
    """The median of rendering one sample event."""
    scenes, rules = samples(), Rules()
    taken = []
    for number in range(ROUNDS * len(scenes)):
        started = time.perf_counter_ns()
        render(scenes[number % len(scenes)], rules)
        taken.append(time.perf_counter_ns() - started)
    median = statistics.median(taken) / 1_000
    return [at_most("rendering the default message, median", median, GOAL, "{:.0f} µs")]


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
