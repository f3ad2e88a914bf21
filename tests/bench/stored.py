"""What a long past costs: the same steps on an empty database and beside 100,000 events that were told."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench import past
from tests.bench.acknowledging import measure
from tests.bench.delivering import channels, fill, latency, until, with_rules
from tests.bench.figures import Figure, at_most, beside
from tests.bench.processes import serving, slack

EVENTS = 100_000
BACKLOG = 3_000
MOST = 1.25


@contextmanager
def _folder(file: Path | None) -> Iterator[str]:
    """A folder for one step, with a copy of this database or with none."""
    with tempfile.TemporaryDirectory() as folder:
        with_rules(folder)
        if file is not None:
            shutil.copy(file, Path(folder) / "bridge.db")
        os.sync()  # a copy that is still on its way to the disk would hold up what is measured
        yield folder


def _acknowledging(file: Path | None) -> float:
    """Seconds for an event."""
    with (
        _folder(file) as folder,
        slack("--no-limits", *channels()) as api,
        serving("service", folder, api) as port,
    ):
        return 1 / measure(port, "stored").rate


def _telling(file: Path | None) -> float:
    """Seconds from webhook to Slack, in the middle."""
    with _folder(file) as folder, slack("--no-limits", *channels()) as api:
        with serving("service", folder, api) as port:
            times = asyncio.run(latency(port, api, seconds=3))
        return times[len(times) // 2]


def _draining(file: Path | None) -> float:
    """Seconds for a delivery."""
    with _folder(file) as folder, slack("--no-limits", *channels()) as api:
        asyncio.run(fill(folder, BACKLOG))
        with serving("service", folder, api):
            return asyncio.run(until(api, BACKLOG)) / BACKLOG


def bench() -> list[Figure]:
    """How many times as long each step takes: the median of some rounds, each on both in turn."""
    steps = {
        "acknowledging an event": (_acknowledging, 3),
        "webhook to Slack, median": (_telling, 2),
        f"draining {BACKLOG:,} deliveries, each": (_draining, 3),
    }
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        file = past.make(Path(folder), EVENTS)
        for name, (step, rounds) in steps.items():
            turns = [(step(None), step(file)) for _ in range(rounds)]
            empty, full = zip(*turns, strict=True)
            said = f"{median(full) * 1e3:.2f} ms, with none {median(empty) * 1e3:.2f} ms"
            what = f"{name}, with {EVENTS:,} stored events ÷ with none"
            figures.append(at_most(what, beside(full, empty), MOST, yardstick=said))
    return figures


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
