"""What must hold at the end: everything acknowledged became of something, nothing twice, nothing grew."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridge.core.bookings import EVENT_KINDS
from tests.soak.world import Soak

DRAIN: Final = 240.0
"""Seconds until everything that was acknowledged must have settled."""

GROWTH: Final = 0.2
MARGIN: Final = 20 * 2**20
MORE_FILES: Final = 12


@contextmanager
def _database(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{folder / 'bridge.db'}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def _counts(folder: Path, query: str) -> Counter[str]:
    with _database(folder) as connection:
        return Counter(dict(connection.execute(query)))


_EVENTS: Final = "SELECT state, count(*) FROM events WHERE source = 'webhook' GROUP BY state"
_REPAIRS: Final = "SELECT state, count(*) FROM events WHERE source = 'repair' GROUP BY state"
_DELIVERIES: Final = "SELECT state, count(*) FROM deliveries GROUP BY state"
_UNTOLD: Final = (
    "SELECT 'untold', count(*) FROM events WHERE state = 'routed'"
    " AND id NOT IN (SELECT event_id FROM deliveries)"
)


async def drained(folder: Path) -> bool:
    """Wait until nothing is on its way any more."""
    deadline = time.monotonic() + DRAIN
    while time.monotonic() < deadline:
        moving = _counts(folder, _DELIVERIES)
        if not moving["waiting"] + moving["sending"] + _counts(folder, _EVENTS)["received"]:
            return True
        await asyncio.sleep(0.5)
    return False


@dataclass(frozen=True)
class Check:
    """One line of the table."""

    name: str
    said: str
    holds: bool


async def checks(soak: Soak, folder: Path) -> list[Check]:
    """What must hold at the end."""
    receipts = await soak.look(soak.copera, "receipts")
    taken = [one for one in receipts if one["statuses"] and one["statuses"][-1] in {200, 202}]
    acknowledged = {json.dumps(one["envelope"], sort_keys=True) for one in taken}
    events, deliveries = _counts(folder, _EVENTS), _counts(folder, _DELIVERIES)
    messages = [one for one in await soak.look(soak.slack, "messages") if one["metadata"]]
    purposes = Counter(
        tuple(message["metadata"]["event_payload"][key] for key in ("event", "delivery", "part"))
        for message in messages
    )
    cards, stale = _cards(folder, messages)
    twice = sum(times > 1 for times in purposes.values())
    untold = _counts(folder, _UNTOLD)["untold"]
    repairs = _counts(folder, _REPAIRS)
    return [
        Check(
            "acknowledged = stored",
            f"{len(acknowledged)} = {words(events)}",
            len(acknowledged) == events.total(),
        ),
        Check("found by repair", words(repairs) or "none was due", set(repairs) <= _REPAIRED),
        Check("every routed event has a delivery", f"{untold} without", untold == 0),
        Check("deliveries = told + dead + waiting", words(deliveries), set(deliveries) <= _STATES),
        Check("nothing twice in Slack", f"{len(purposes)} messages, {twice} twice", twice == 0),
        Check("cards show the end", f"{cards} of bookings that are off, {stale} stale", stale == 0),
        *_growth(soak.samples),
    ]


def _cards(folder: Path, messages: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How many cards there are of bookings that are off, and how many of these do not show it."""
    with _database(folder) as connection:
        booking_of = dict(connection.execute("SELECT id, booking_id FROM events"))
        ends = dict(connection.execute(_ENDS))
        kept = {ts for (ts,) in connection.execute("SELECT ts FROM cards")}  # not one in a lost channel
    cards = stale = 0
    for message in messages:
        purpose = message["metadata"]["event_payload"]
        end = ends.get(booking_of.get(purpose["event"]))
        if purpose["part"] == "card" and end in _OFF and message["ts"] in kept:
            text = message["content"]["text"]
            cards += 1
            stale += EVENT_KINDS[end].verb not in text and _FAREWELL not in text
    return cards, stale


_ENDS: Final = (
    "SELECT s.booking_id, e.name FROM booking_states AS s JOIN events AS e ON e.id = s.event_id"
    " WHERE s.booking_id NOT IN (SELECT booking_id FROM deliveries WHERE state = 'dead')"
)
"""By what each booking ended; without those of which something could not be told."""
_OFF: Final = {"cancelled", "declined"}
_FAREWELL: Final = "No longer yours"
_STATES: Final = {"sent", "skipped", "dead", "waiting"}
_REPAIRED: Final = {"received", "routed", "superseded"}
"""One may come in at the end; what cannot be read is none of them."""


def _growth(samples: list[tuple[int, int]]) -> list[Check]:
    """Memory and files of the last quarter beside those of the second, the first being the warm-up."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    before, after = (statistics.median(rss for rss, _ in part) for part in (early, late))
    opened, open_now = max(files for _, files in early), samples[-1][1]
    is_flat = after <= max(before * (1 + GROWTH), before + MARGIN)
    return [
        Check("memory is flat", f"{before / 2**20:.0f} MiB, then {after / 2**20:.0f} MiB", is_flat),
        Check("open files", f"at most {opened}, then {open_now}", open_now <= opened + MORE_FILES),
    ]


def words(counts: Counter[str]) -> str:
    """Counts in words: 3 dead + 5 sent."""
    return " + ".join(f"{number} {state}" for state, number in sorted(counts.items()))
