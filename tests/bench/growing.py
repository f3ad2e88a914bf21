"""How costs grow with rules, bookings and stored events: measured series, a plot and a table.

`make bench ARGS=growing` takes some minutes; it writes docs/growth.svg and its table into the README.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bridge.copera import Copera
from bridge.core.knowledge import Knowledge
from bridge.core.reading import read_envelope
from bridge.core.rules.file import load
from bridge.database import Database, open_database
from bridge.router import Router
from bridge.sandbox.copera import TOKEN
from bridge.store.deliveries import Deliveries
from bridge.store.gate_policy import Claimant
from bridge.store.intake import Intake
from tests.bench import past, report
from tests.bench.delivering import event, rules
from tests.bench.feed_data import ONE, fill
from tests.bench.feed_load import path, process, request, seconds, serving
from tests.bench.feeds import changing, refreshes
from tests.bench.figures import Figure
from tests.bench.plot import Line, Panel, svg
from tests.bench.rules import routing_time

RULES = (10, 100, 1_000, 5_000)
BOOKINGS = (1_000, 10_000, 100_000)
EVENTS = (1_000, 10_000, 100_000)
BATCH = 1_000
"""Events that are measured beside the stored ones."""

Series = dict[str, list[tuple[float, float]]]
"""By what was measured: (how many there were, seconds or bytes)."""


def with_rules() -> Series:
    """Seconds to route one event."""
    return {"routing an event": [(count, routing_time(count) / 1e6) for count in RULES]}


async def with_bookings() -> Series:
    """One host has a tenth of the bookings: seconds of what is done with them, and the server's bytes."""
    series: Series = {}
    for count in BOOKINGS:
        for name, value in (await _mirror(count)).items():
            series.setdefault(name, []).append((count, value))
    return series


async def _mirror(count: int) -> dict[str, float]:
    own = count // 10
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(url := f"sqlite:///{folder}/bridge.db")
        writer = await fill(database, count, of_one=own)
        async with serving("feeds", url) as (port, pid):
            asked = request(path(ONE))
            first, _ = await seconds(port, asked)
            again = min([(await seconds(port, asked))[0] for _ in range(5)])
            memory = psutil.Process(pid).memory_info().rss
        changed = await changing(database, writer, of_one=own)
        await database.close()
    return {
        "first GET of a tenth of them": first,
        "a later GET": again,
        "work after a change": changed,
        "full refresh": await _refresh(count),
        "memory": float(memory),
    }


async def _refresh(count: int) -> float:
    async with process("bridge.sandbox.copera", "--bookings", str(count)) as copera:
        assert copera.stdout is not None
        url = (await copera.stdout.readline()).decode().strip()
        with tempfile.TemporaryDirectory() as folder:
            database = await open_database(f"sqlite:///{folder}/bridge.db")
            async with Copera(url, TOKEN) as client:
                _, _, later = await refreshes(database, client, turns=1)
            await database.close()
    return later


def with_events() -> Series:
    """Seconds for one event beside so many stored ones, on SQLite."""
    series: Series = {}
    with tempfile.TemporaryDirectory() as made:
        short = past.short(Path(made))
        for count in EVENTS:
            for name, value in _beside(short, count).items():
                series.setdefault(name, []).append((count, value))
    return series


def _beside(short: Path, count: int) -> dict[str, float]:
    """The steps beside so many events, the better of two rounds."""
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = past.multiply(Path(shutil.copy(short, folder)), count)
        for turn in range(2):
            copy = shutil.copy(file, Path(folder) / f"copy{turn}.db")
            for name, value in asyncio.run(_steps(f"sqlite:///{copy}")).items():
                best[name] = min(value, best.get(name, value))
    return best


async def _steps(url: str) -> dict[str, float]:
    """Acknowledge, route and claim BATCH events; the seconds of each."""
    database = await open_database(url)
    try:
        return {
            "acknowledging an event": await _acknowledging(database),
            "routing and storing it": await _routing(database),
            "claiming its delivery": await _claiming(database),
        }
    finally:
        await database.close()


async def _acknowledging(database: Database) -> float:
    intake = Intake(database)
    running = asyncio.create_task(intake.run())
    now = datetime.now(UTC)
    bodies = [event(number, "grown") for number in range(BATCH)]
    envelopes = [read_envelope(body) for body in bodies]
    began = time.perf_counter()
    await asyncio.gather(
        *(
            intake.accept(read, body, "1", "webhook", now)
            for read, body in zip(envelopes, bodies, strict=True)
        )
    )
    took = time.perf_counter() - began
    running.cancel()
    return took / BATCH


async def _routing(database: Database) -> float:
    knowledge = Knowledge(load(rules().encode()).rules)
    router = Router(database, lambda: knowledge, clock=lambda: datetime.now(UTC))
    began = time.perf_counter()
    while await router.route_received():
        pass
    return (time.perf_counter() - began) / BATCH


async def _claiming(database: Database) -> float:
    deliveries = Deliveries(database)
    claimant = Claimant("bench", None, None, None)
    count, began = 0, time.perf_counter()
    while count < BATCH:
        claimed = (await deliveries.claim(claimant, 64, datetime.now(UTC))).deliveries
        assert claimed, count
        count += len(claimed)
    took = time.perf_counter() - began
    return took / BATCH


def duration(value: float) -> str:
    """Seconds in the unit that suits them."""
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def mebibytes(value: float) -> str:
    return f"{value / 2**20:.0f} MiB"


def figures(series: Series, unit: Callable[[float], str], counts: str) -> list[Figure]:
    """A row for each series: its first value, and what ten times and more of it cost."""
    rows = []
    for name, points in series.items():
        shown = " · ".join(unit(value) for _, value in points)
        counted = " · ".join(f"{count:,.0f}" for count, _ in points)
        growth = points[-1][1] / points[0][1]
        more = points[-1][0] / points[0][0]
        rows.append(
            Figure(f"{name}, with {counted} {counts}", shown, f"{more:,.0f} × as many: {growth:.1f} ×")
        )
    return rows


def plot(rules: Series, bookings: Series, events: Series) -> str:
    """The three diagrams of times."""

    def lines(series: Series) -> Sequence[Line]:
        return [Line(name, points) for name, points in series.items()]

    return svg(
        [
            Panel("Rules", "rules in the file", duration, lines(rules)),
            Panel("Bookings", "bookings in the mirror", duration, lines(bookings)),
            Panel("Stored events", "events in the database", duration, lines(events)),
        ],
        "How long each step takes with more rules, bookings and stored events; the values are in the table",
    )


def bench() -> list[Figure]:
    """Measure, write the plot and the table, and return its rows."""
    by_rules, by_bookings, by_events = with_rules(), asyncio.run(with_bookings()), with_events()
    memory = {"resident memory of the feeds' server": by_bookings.pop("memory")}
    drawn = plot(by_rules, by_bookings, by_events)
    rows = [
        *figures(by_rules, duration, "rules"),
        *figures(by_bookings, duration, "bookings"),
        *figures(memory, mebibytes, "bookings"),
        *figures(by_events, duration, "stored events"),
    ]
    report.write_growth(rows, drawn, report.machine())
    return rows


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
