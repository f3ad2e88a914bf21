"""How long the default message takes: `python -m tests.bench.messages`. The goal is 300 µs at most."""

from __future__ import annotations

import statistics
import time

from bridge.core.messages import render
from bridge.core.rules import Rules
from bridge.core.samples import samples

ROUNDS = 1_000
GOAL = 300


def bench() -> float:
    """Print and return the median of rendering one sample event, in microseconds."""
    scenes, rules = samples(), Rules()
    taken = []
    for number in range(ROUNDS * len(scenes)):
        started = time.perf_counter_ns()
        render(scenes[number % len(scenes)], rules)
        taken.append(time.perf_counter_ns() - started)
    median = statistics.median(taken) / 1_000
    print(f"default message: median {median:.0f} µs (goal: at most {GOAL} µs)")
    return median


if __name__ == "__main__":
    bench()
