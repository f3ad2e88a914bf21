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

CONNECTIONS = 32
COUNT = 6000
ROUNDS = 3


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


def bench() -> list[str]:
    """The best of three rounds each, the servers in turn."""
    best: dict[str, load.Result] = {}
    for turn in range(ROUNDS):
        for kind in ("bare", "receiver", "service"):
            with tempfile.TemporaryDirectory() as folder:
                arguments = {
                    "bare": (),
                    "receiver": (folder,),
                    "service": (folder, "http://127.0.0.1:9/api/"),
                }
                with serving(kind, *arguments[kind]) as port:
                    result = measure(port, f"{kind}{turn}-")
            assert set(result.statuses) == {202}, result.statuses
            if kind not in best or result.rate > best[kind].rate:
                best[kind] = result
    bare = best["bare"]
    return [
        f"acknowledged events/s, {name}, {CONNECTIONS} connections: {result.rate:,.0f}, "
        f"{result.rate / bare.rate:.2f} of bare aiohttp ({bare.rate:,.0f}); "
        f"p99 {result.quantile(0.99) * 1e3:.1f} ms, {result.quantile(0.99) / bare.quantile(0.99):.1f} of its"
        for name, result in (("receiver alone", best["receiver"]), ("whole service", best["service"]))
    ]


if __name__ == "__main__":
    print("\n".join(bench()))
