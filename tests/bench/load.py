"""A load of prepared requests over so many kept-alive connections, cheap enough not to be the limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.signature import sign


@dataclass(frozen=True, slots=True)
class Result:
    """Answers by status, seconds for all, and each answer's seconds in rising order."""

    statuses: dict[int, int]
    seconds: float
    times: list[float]

    @property
    def rate(self) -> float:
        return sum(self.statuses.values()) / self.seconds

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        return self.times[min(int(len(self.times) * share), len(self.times) - 1)]


def request(path: str, body: bytes, secret: str) -> bytes:
    """A signed webhook as bytes on the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Copera-Signature: {sign(body, secret)}\r\nX-Copera-Webhook-Version: 1\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(port: int, requests: Sequence[bytes], connections: int) -> Result:
    """Send all requests, each connection one after the other."""
    waiting = iter(requests)
    statuses: dict[int, int] = {}
    times: list[float] = []
    begun = time.perf_counter()
    await asyncio.gather(*(_connection(port, waiting, statuses, times) for _ in range(connections)))
    return Result(statuses, time.perf_counter() - begun, sorted(times))


async def _connection(port: int, waiting: object, statuses: dict[int, int], times: list[float]) -> None:
    done = asyncio.get_running_loop().create_future()
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: _Client(waiting, statuses, times, done), "127.0.0.1", port
    )
    try:
        await done
    finally:
        protocol.close()


class _Client(asyncio.Protocol):
    def __init__(self, waiting: object, statuses: dict[int, int], times: list[float], done: object) -> None:
        self._waiting, self._statuses, self._times, self._done = waiting, statuses, times, done
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, gap, body = self._buffer.partition(b"\r\n\r\n")
        if not gap:
            return
        marker = head.find(b"Content-Length: ")
        length = int(head[marker + 16 :].split(b"\r\n", 1)[0]) if marker >= 0 else 0
        if len(body) < length:
            return
        self._times.append(time.perf_counter() - self._sent)
        status = int(head[9:12])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._buffer = b""
        self._next()

    def _next(self) -> None:
        following = next(self._waiting, None)  # type: ignore[call-overload]
        if following is None:
            self._done.set_result(None)  # type: ignore[attr-defined]
            return
        self._sent = time.perf_counter()
        self._transport.write(following)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():  # type: ignore[attr-defined]
            self._done.set_exception(error or ConnectionError("closed"))  # type: ignore[attr-defined]
