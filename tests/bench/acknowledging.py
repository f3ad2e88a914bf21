"""Events acknowledged per second, verified and on disk, beside a handler that only reads and answers."""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import nullcontext
from datetime import UTC, datetime
from statistics import median

from bridge.sandbox.copera import SECRET
from tests import payloads
from tests.bench import load
from tests.bench.figures import Figure, at_least, at_most, beside
from tests.bench.processes import serving, slack

CONNECTIONS = 64
"""As many as a burst of a busy company's bookings comes over."""

FEW = 32
COUNT = 5000
LONG = 40_000
"""Events that take seconds: the bridge no longer lets what came in wait while there is more."""

ROUNDS = 6
OTHERS = 3
"""Rounds of what has no goal."""

NO_LIMITS = ("--no-limits", "--channel", "sales")
KINDS = ("bare", "bare-uvloop", "receiver", "service")


def requests(count: int, event: str = "booking.created", prefix: str = "b") -> list[bytes]:
    """Signed events of as many bookings, each created at its own time."""
    return [
        load.request(
            "/webhooks/copera",
            json.dumps(
                payloads.document(event, datetime.now(UTC).isoformat(), id=f"{prefix}{number}")
            ).encode(),
            SECRET,
        )
        for number in range(count)
    ]


def measure(port: int, prefix: str, connections: int = CONNECTIONS, count: int = COUNT) -> load.Result:
    return asyncio.run(load.run(port, requests(count, prefix=prefix), connections))


def bench() -> list[Figure]:
    """The median of some rounds' ratios; in each round the servers run one after the other.

    The machine's pace changes within a minute, so what is compared must have run side by side. The
    yardstick is aiohttp as it comes, on asyncio's own loop; beside it stands the same handler on uvloop,
    which the bridge runs on.
    """
    rounds = [{kind: _round(kind, turn) for kind in KINDS} for turn in range(ROUNDS)]
    bare, fast = (median(one[kind].rate for one in rounds) for kind in KINDS[:2])
    figures = []
    for name, kind in (("receiver alone", "receiver"), ("whole service", "service")):
        rate = median(one[kind].rate for one in rounds)
        late, bare_late = (median(one[which].quantile(0.99) for one in rounds) for which in (kind, "bare"))
        figures += [
            at_least(
                f"events acknowledged (verified, fsynced), {CONNECTIONS} connections: {name} ÷ bare aiohttp",
                beside([one[kind].rate for one in rounds], [one["bare"].rate for one in rounds]),
                0.5,
                yardstick=f"{rate:,.0f}/s, bare {bare:,.0f}/s, on uvloop {fast:,.0f}/s",
            ),
            at_most(
                f"… 99 of 100 answered within: {name} ÷ bare aiohttp",
                beside(
                    [one[kind].quantile(0.99) for one in rounds],
                    [one["bare"].quantile(0.99) for one in rounds],
                ),
                5,
                "{:.1f}",
                f"{late * 1e3:.1f} ms, bare {bare_late * 1e3:.1f} ms",
            ),
        ]
    return [*figures, *_others()]


def _others() -> list[Figure]:
    """The whole service in other circumstances; without a goal."""
    figures = []
    for said, kind, connections, count, turns in (
        (f"… with each event in its log, {CONNECTIONS} connections", "talkative", CONNECTIONS, COUNT, OTHERS),
        (f"… over {FEW} connections", "service", FEW, COUNT, OTHERS),
        (f"… {LONG:,} events without a pause, posted meanwhile", "service", CONNECTIONS, LONG, 1),
    ):
        rounds = [
            [_round(one, turn, connections, count).rate for one in (kind, "bare")] for turn in range(turns)
        ]
        rates, bare = zip(*rounds, strict=True)
        ratio = beside(rates, bare)
        yardstick = f"{median(rates):,.0f}/s, bare {median(bare):,.0f}/s"
        figures.append(Figure(f"{said}: whole service ÷ bare aiohttp", f"{ratio:.2f}", yardstick))
    return figures


def _round(kind: str, turn: int, connections: int = CONNECTIONS, count: int = COUNT) -> load.Result:
    """One server under its load; the whole service posts each event to Slack."""
    whole = kind in {"service", "talkative"}
    with tempfile.TemporaryDirectory() as folder, slack(*NO_LIMITS) if whole else nullcontext("") as api:
        arguments = (folder, api) if whole else (folder,) if kind == "receiver" else ()
        with serving(kind, *arguments) as port:
            result = measure(port, f"{kind}{turn}-", connections, count)
    assert set(result.statuses) == {202}, result.statuses
    return result


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
