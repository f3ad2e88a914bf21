"""Events acknowledged per second, verified and on disk, beside a handler that only reads and answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from bridge.sandbox.copera import SECRET
from tests import payloads
from tests.bench import load
from tests.bench.figures import Figure, at_least, at_most

CONNECTIONS = 32
COUNT = 6000
ROUNDS = 2


@contextmanager
def serving(*arguments: str) -> Iterator[int]:
    """A measured server in a process of its own; its port."""
    command = [sys.executable, "-m", "tests.bench.servers", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)


def requests(count: int, event: str = "booking.confirmed", prefix: str = "b") -> list[bytes]:
    """Signed events of as many bookings."""
    at = datetime.now(UTC).isoformat()
    return [
        load.request(
            "/webhooks/copera",
            json.dumps(payloads.document(event, at, id=f"{prefix}{number}")).encode(),
            SECRET,
        )
        for number in range(count)
    ]


def measure(port: int, prefix: str) -> load.Result:
    return asyncio.run(load.run(port, requests(COUNT, prefix=prefix), CONNECTIONS))


def bench() -> list[Figure]:
    """The best of two rounds each, the servers in turn.

    The yardstick is aiohttp as it comes, on asyncio's own loop; beside it stands the same handler on
    uvloop, which the bridge runs on.
    """
    best: dict[str, load.Result] = {}
    for turn in range(ROUNDS):
        for kind in ("bare", "bare-uvloop", "receiver", "service"):
            with tempfile.TemporaryDirectory() as folder:
                arguments = {
                    "bare": (),
                    "bare-uvloop": (),
                    "receiver": (folder,),
                    "service": (folder, "http://127.0.0.1:9/api/"),
                }
                with serving(kind, *arguments[kind]) as port:
                    result = measure(port, f"{kind}{turn}-")
            assert set(result.statuses) == {202}, result.statuses
            if kind not in best or result.rate > best[kind].rate:
                best[kind] = result
    bare, fast = best["bare"], best["bare-uvloop"]
    figures = []
    for name, kind in (("receiver alone", "receiver"), ("whole service", "service")):
        result, late = best[kind], best[kind].quantile(0.99)
        figures += [
            at_least(
                f"events acknowledged (verified, fsynced), {CONNECTIONS} connections: {name} ÷ bare aiohttp",
                result.rate / bare.rate,
                0.5,
                yardstick=f"{result.rate:,.0f}/s, bare {bare.rate:,.0f}/s, on uvloop {fast.rate:,.0f}/s",
            ),
            at_most(
                f"… 99 of 100 answered within: {name} ÷ bare aiohttp",
                late / bare.quantile(0.99),
                5,
                "{:.1f}",
                f"{late * 1e3:.1f} ms, bare {bare.quantile(0.99) * 1e3:.1f} ms",
            ),
        ]
    return figures


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
