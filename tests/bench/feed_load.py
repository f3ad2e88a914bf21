"""Asking for feeds over the wire: one answer's time, many answers' rate, and what they cost the server."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from bridge.core.feeds.feeds import Who
from bridge.core.feeds.tokens import FeedTokens, Options
from tests.bench.feed_servers import SECRET

CONNECTIONS = 8
TOKENS = FeedTokens(SECRET)


def path(who: Who, options: Options | None = None) -> str:
    return f"/feeds/{TOKENS.token(who.key, 0, options or Options())}.ics"


@asynccontextmanager
async def process(*arguments: str, quiet: bool = False) -> AsyncIterator[asyncio.subprocess.Process]:
    """A module run in a process of its own, whose output can be read; `quiet` drops its errors."""
    errors = asyncio.subprocess.DEVNULL if quiet else None
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE, stderr=errors
    )
    try:
        yield started
    finally:
        started.terminate()
        await started.wait()


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[int, int]]:
    """A measured server: its port and process id."""
    async with process("tests.bench.feed_servers", *arguments) as server:
        assert server.stdout is not None
        yield int(await server.stdout.readline()), server.pid


def request(path: str, **headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1"]
    return "\r\n".join(
        [*lines, *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()), "", ""]
    ).encode()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes
) -> tuple[int, bytes, str]:
    """The status, the body, and the ETag of one answer."""
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
    size = int(fields.get("content-length", 0))
    body = await reader.readexactly(size) if size else b""
    return int(head.split(b" ", 2)[1]), body, fields.get("etag", "")


async def once(port: int, asked: bytes) -> tuple[int, bytes, str]:
    """`ask` on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        return await ask(reader, writer, asked)
    finally:
        writer.close()


async def seconds(port: int, asked: bytes) -> tuple[float, int]:
    """How long one answer takes on a new connection, and its bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    began = time.perf_counter()
    status, body, _ = await ask(reader, writer, asked)
    took = time.perf_counter() - began
    writer.close()
    assert status in {200, 304}, status
    return took, len(body)


async def rate(port: int, asked: bytes, count: int, status: int) -> float:
    """Answers a second over several connections."""

    async def some() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        for _ in range(count // CONNECTIONS):
            assert (await ask(reader, writer, asked))[0] == status
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(CONNECTIONS)))
    return count / (time.perf_counter() - began)


def used(pid: int) -> float:
    """The processor seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def compare(
    ours: tuple[int, int, bytes], theirs: tuple[int, int, bytes], count: int, status: int
) -> tuple[float, float, float]:
    """Answers a second of both, best of five turns each, and their processor time's ratio (theirs to ours).

    Each is a port, a process and a request. The second ratio stands also on a machine that is busy.
    """
    rates: list[list[float]] = [[], []]
    costs: list[list[float]] = [[], []]
    for _ in range(5):
        for number, (port, pid, asked) in enumerate((ours, theirs)):
            before = used(pid)
            rates[number].append(await rate(port, asked, count, status))
            costs[number].append(used(pid) - before)
    return max(rates[0]), max(rates[1]), min(costs[1]) / min(costs[0])
