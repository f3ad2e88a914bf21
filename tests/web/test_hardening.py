"""The receiver on the open internet: raw sockets against the real application, hostile and bounded."""

from __future__ import annotations

import asyncio
import gc
import gzip
import http.client
import io
import json
import re
import shutil
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import web

from bridge.core.signature import sign
from bridge.database import open_database
from bridge.store.events import Events
from bridge.store.intake import Intake
from bridge.web.answers import ready
from bridge.web.hardening import Bounds, Connections
from bridge.web.server import Server
from bridge.web.webhook import PATH, Webhook
from tests import payloads

SECRET = "hardening"
POST = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode()
QUICK = Bounds(head=0.6, unread=0.6)
PATIENCE = 120.0
"""Seconds within which everything here must have happened, on a slow machine too."""


@dataclass(frozen=True)
class Bridge:
    """A receiver that listens, what bounds its connections and what it stored."""

    port: int
    connections: Connections
    events: Events

    async def send(self, *parts: bytes, pause: float = 0.0, finish: bool = False) -> bytes:
        """Everything that comes back until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            if finish:
                writer.write_eof()
        except ConnectionError:
            pass
        return await _rest(reader, writer)

    async def works(self) -> bool:
        """Whether a rightly signed event is still taken."""
        body = payloads.body(createdAt=datetime.now(UTC).isoformat())
        return b" 202 " in await self.send(signed(body, b"Connection: close\r\n"))


async def _rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    heard = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while part := await reader.read(65_536):
                heard += part
    except ConnectionError:
        pass
    finally:
        writer.close()
    return heard


def signed(body: bytes, more: bytes = b"", secret: str = SECRET) -> bytes:
    """A whole request with this body."""
    signature = sign(body, secret).encode()
    length = str(len(body)).encode()
    head = POST + b"X-Copera-Signature: " + signature + b"\r\nContent-Length: " + length + b"\r\n"
    return head + more + b"\r\n" + body


@asynccontextmanager
async def running(database: Path, bounds: Bounds) -> AsyncIterator[Bridge]:
    opened = await open_database(f"sqlite:///{database}")
    intake = Intake(opened)
    storing = asyncio.create_task(intake.run())
    webhook = Webhook(intake, secrets=[SECRET], retention=timedelta(days=30), clock=lambda: datetime.now(UTC))
    routes = [*webhook.routes(), web.get("/large", _large), web.get("/broken", _broken)]
    server = Server(routes, direct=(PATH, webhook.receive), bounds=bounds)
    url = await server.start("127.0.0.1", 0)
    try:
        yield Bridge(int(url.rpartition(":")[2]), server.connections, Events(opened))
    finally:
        await server.close()
        storing.cancel()
        await opened.close()


async def _large(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(64 * 2**20))


async def _broken(_request: web.Request) -> web.Response:
    raise RuntimeError("a bug")


@pytest.fixture
def file(migrated_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_file, tmp_path / "bridge.db"))


@pytest.fixture
async def bridge(file: Path) -> AsyncIterator[Bridge]:
    async with running(file, QUICK) as started:
        yield started


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


MALFORMED = {
    "TLS on the plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "a length below nought": POST + b"Content-Length: -5\r\n\r\nabcdef",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: x\r\nX-A : a\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "NUL in the path": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a broken address": b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a broken chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 100 + b"\r\n",
    "a header too long": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n",
    "a path too long": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 900_000,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_http_is_refused(
    bridge: Bridge, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """400 and the connection ends; no traceback is logged, and the next one is served."""
    assert status(await bridge.send(MALFORMED[name])) in {400, 0}
    assert not [record for record in caplog.records if record.exc_info]
    assert await bridge.works()
    assert bridge.connections.held == 0


PATHS = {
    f"/{PATH}": 404,
    f"{PATH}/": 404,
    f"/x/..{PATH}": 404,
    f"/x/%2e%2e{PATH}": 404,
    PATH.replace("copera", "%63opera"): 401,
    f"{PATH}%00": 404,
    f"{PATH};x=1": 404,
    f"{PATH}?x=1": 401,
    f"{PATH}/%ff%fe": 404,
    f"{PATH}%zz": 404,
    f"http://elsewhere.example{PATH}": 401,
    "/" + "../" * 200 + "etc/passwd": 404,
    "*": 400,
}


@pytest.mark.parametrize("path", PATHS)
async def test_tricks_with_paths_lead_nowhere(bridge: Bridge, path: str) -> None:
    """Only the address itself, however it is encoded, is the receiver's."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    assert status(await bridge.send(head.encode())) == PATHS[path]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_told_which_is_right(bridge: Bridge, method: str) -> None:
    answer = await bridge.send(f"{method} {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status(answer) == 405
    assert b"Allow: POST" in answer


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data", "\xff;;", "application/json; x"]
)
async def test_the_signature_counts_and_not_the_content_type(bridge: Bridge, content_type: str) -> None:
    """A signed event must not be lost to a label; no guide says which one Copera writes."""
    body = payloads.body(createdAt=datetime.now(UTC).isoformat())
    header = f"Content-Type: {content_type}\r\nConnection: close\r\n".encode("latin-1")
    assert status(await bridge.send(signed(body, header))) == 202


ANSWERED: dict[bytes, int] = {
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": 404,
    b"GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": 500,
    b"DELETE " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": 405,
    b"GET / HTTP/1.1\r\nHost: x\r\nExpect: much\r\nConnection: close\r\n\r\n": 417,
    b"GET /feeds/s3cret\x01 HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /feeds/s3cret" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET /feeds/s3cret HTTP/1.1\r\n\r\n": 400,
    b"GET http://[s3cret/ HTTP/1.1\r\nHost: x\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: x\r\nX-S3cret: s3cret\r\nContent-Length: s3cret\r\n\r\n": 400,
    b"\x16\x03\x01s3cret\r\n\r\n": 400,
    b"GET / HTT": 408,
}


@pytest.mark.parametrize("sent", ANSWERED, ids=lambda sent: sent[:24].decode("latin-1").strip())
async def test_an_answer_tells_no_versions_and_repeats_nothing(bridge: Bridge, sent: bytes) -> None:
    """Neither which Python and aiohttp there are, nor what was sent: it may hold a feed's address."""
    heard = await bridge.send(sent)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert status(heard) == ANSWERED[sent]
    assert re.findall(rb"(?im)^server: (.*?)\r?$", head) == [b"booking-bridge"]
    assert b"s3cret" not in heard.lower()
    assert b"python" not in heard.lower()
    assert len(body) < 200


async def test_a_zip_bomb_stays_shut(bridge: Bridge) -> None:
    """A compressed body is refused by its header and never unpacked."""
    bomb = gzip.compress(bytes(50 * 2**20))
    before = psutil.Process().memory_info().rss
    answer = await bridge.send(signed(bomb, b"Content-Encoding: gzip\r\nConnection: close\r\n"))
    assert status(answer) == 415
    assert b"Accept-Encoding: identity" in answer
    assert psutil.Process().memory_info().rss - before < 40 * 2**20


async def test_a_huge_body_is_not_read(bridge: Bridge) -> None:
    """413 by the length alone, and as soon as a body without length is over it."""
    told = await bridge.send(POST + b"Content-Length: 99999999999\r\n\r\nabc")
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    found = await bridge.send(POST + b"Transfer-Encoding: chunked\r\n\r\n", *([chunk] * 20))
    assert status(told) == 413
    assert status(found) in {413, 0}  # 0: reset while still sending
    assert await bridge.works()


async def test_a_body_cut_short_is_no_error_of_ours(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    await bridge.send(POST + b"Content-Length: 500\r\n\r\nabc", finish=True)
    assert await bridge.works()
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_client_that_closes_its_half_is_answered(bridge: Bridge, count: int) -> None:
    """All it has to say is said: it hears every answer, and then the connection ends."""
    now = datetime.now(UTC).isoformat()
    requests = [signed(payloads.body(createdAt=now, data={"id": f"half{n}"})) for n in range(count)]
    heard = await bridge.send(b"".join(requests), finish=True)
    assert heard.count(b"HTTP/1.1 202") == count
    assert bridge.connections.count == 0


async def test_a_client_that_leaves_amid_its_body_is_let_go(file: Path) -> None:
    """At once: with these bounds it would take an hour otherwise."""
    async with running(file, Bounds(head=3600.0, unread=3600.0)) as bridge:
        assert await bridge.send(POST + b"Content-Length: 500\r\n\r\n", b"abc", pause=0.1, finish=True) == b""


STAYS: dict[str, tuple[bytes, bytes, bool]] = {
    "HTTP/1.1": (b"1.1", b"", True),
    "HTTP/1.1 that closes": (b"1.1", b"Connection: close\r\n", False),
    "HTTP/1.1 that expects": (b"1.1", b"Expect: 100-continue\r\n", True),
    "HTTP/1.0": (b"1.0", b"", False),
    "HTTP/1.0 that stays": (b"1.0", b"Connection: keep-alive\r\n", True),
}


@pytest.mark.parametrize("name", STAYS)
async def test_every_way_to_ask_gets_the_same_answer(bridge: Bridge, name: str) -> None:
    """The shortest way through the server says what the long one does: one event, twice on one connection."""
    version, header, stays = STAYS[name]
    body = payloads.body(createdAt=datetime.now(UTC).isoformat())
    request = signed(body, header).replace(b"HTTP/1.1", b"HTTP/" + version, 1)
    reader, writer = await _open(bridge, request)
    parser = http.client.HTTPResponse(_Heard(await _answer(reader, skip=b"100 Continue")))  # type: ignore[arg-type]
    parser.begin()
    told = json.loads(parser.read())
    assert (parser.status, parser.reason, told["outcome"]) == (202, "Accepted", "stored")
    assert re.fullmatch("[0-9a-f]{64}", told["event"])
    assert parser.headers["Content-Type"] == "application/json"
    assert parser.headers.get_all("Server") == ["booking-bridge"]
    assert abs(parsedate_to_datetime(parser.headers["Date"]) - datetime.now(UTC)) < timedelta(
        seconds=PATIENCE
    )
    assert parser.will_close is not stays
    if stays:
        writer.write(request)
        assert status(await _answer(reader, skip=b"100 Continue")) == 200
    else:
        assert await reader.read() == b""
    writer.close()


class _Heard:
    """What came back, as a socket for Python's own parser of HTTP."""

    def __init__(self, heard: bytes) -> None:
        self._heard = heard

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._heard)


async def _answer(reader: asyncio.StreamReader, skip: bytes) -> bytes:
    """The next answer, whole; one that only says to go on is passed over."""
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        if skip in head:
            head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length
        return head + await reader.readexactly(int(length[1]))


async def test_pipelined_requests_are_answered_in_order(bridge: Bridge) -> None:
    """Several requests in one packet: each answered, in order, stored once."""
    bodies = [payloads.body(createdAt=datetime.now(UTC).isoformat(), data={"id": f"b{n}"}) for n in range(60)]
    ends = [*([b""] * 59), b"Connection: close\r\n"]
    heard = await bridge.send(b"".join(signed(*pair) for pair in zip(bodies, ends, strict=True)))
    assert heard.count(b"HTTP/1.1 202") == 60
    assert len(await bridge.events.list(limit=100)) == 60


async def _open(bridge: Bridge, start: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    writer.write(start)
    return reader, writer


async def test_slow_and_silent_clients_are_let_go(bridge: Bridge) -> None:
    """A head that drips for ever, one that stops, none at all, half of a second one: all ended."""

    async def drip() -> bytes:
        head = [b"POST / HTTP/1.1\r\nHost: x\r\n", *(b"X-%d: a\r\n" % number for number in range(20_000))]
        return await bridge.send(*head, pause=0.1)

    stopped = bridge.send(b"POST / HTTP/1.1\r\nHo")
    second = bridge.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HT", pause=0.2)
    async with asyncio.timeout(PATIENCE):
        heard = await asyncio.gather(drip(), stopped, second, bridge.send())
    assert all(b"408 Request Timeout" in answer for answer in heard[1:3])
    assert heard[3] == b""
    assert await bridge.works()


async def test_a_body_that_does_not_end_is_asked_for_again(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503: Copera takes a 4xx as final, and the rest may be missing because this process is stopping."""
    monkeypatch.setattr("bridge.web.webhook._PATIENCE", 0.1)
    heard = await bridge.send(POST + b"Content-Length: 500\r\n\r\nabc")
    assert status(heard) == 503
    assert b"Retry-After: 5\r\n" in heard
    assert await bridge.works()


async def test_a_client_that_does_not_read_is_let_go(bridge: Bridge) -> None:
    """An answer of 64 MiB into a full socket: the connection ends and its memory is given back."""
    reader, writer = await _open(bridge, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await _until(lambda: bridge.connections.count == 1)
    await _until(lambda: bridge.connections.count == 0)
    writer.close()
    assert reader is not None
    assert await bridge.works()


async def test_a_client_that_asks_on_and_does_not_read_waits() -> None:
    """What is written in one step waits for the client like every answer, so that memory stays bounded."""
    answered = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal answered
        answered += 1
        return ready(request, 200, bytes(2**20))

    server = Server([web.get("/ready", answer)])
    port = int((await server.start("127.0.0.1", 0)).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    before = -1
    while answered > before or not answered:
        before = answered
        await asyncio.sleep(0.2)
    assert answered < 50
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    await reader.readexactly(100 * 2**20)
    assert answered == 100
    writer.close()
    await server.close()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.02)


async def test_connections_are_bounded(file: Path) -> None:
    """With every place taken by idlers a newcomer is served, in the place of the oldest idler."""
    async with running(file, Bounds(connections=20)) as bridge:
        idlers = [await _open(bridge, b"") for _ in range(60)]
        await _until(lambda: bridge.connections.count == 20)
        assert await bridge.works()
        for _, writer in idlers:
            writer.close()


async def test_header_hoarders_do_not_fill_memory(file: Path) -> None:
    """Hundreds of clients that send headers without end hold a bounded amount together."""
    async with running(file, Bounds(held=4 * 2**20)) as bridge:
        head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %8000d\r\n" % (n, n) for n in range(60))
        hoarders = await asyncio.gather(*(_open(bridge, head) for _ in range(200)))
        await asyncio.sleep(0.3)
        assert bridge.connections.held <= 4 * 2**20
        assert await bridge.works()
        for _, writer in hoarders:
            writer.close()


async def test_bodies_without_end_do_not_fill_memory(file: Path) -> None:
    """Hundreds of clients that send nearly all of a body hold a bounded amount together."""
    async with running(file, Bounds(held=4 * 2**20)) as bridge:
        start = POST + b"Content-Length: 262144\r\n\r\n" + bytes(262_100)
        hoarders = await asyncio.gather(*(_open(bridge, start) for _ in range(100)))
        await _until(lambda: bridge.connections.count <= 16)
        assert 0 < bridge.connections.held <= 4 * 2**20
        assert await bridge.works()
        for _, writer in hoarders:
            writer.close()
        await _until(lambda: bridge.connections.count == 0)
        assert bridge.connections.held == 0


async def test_nothing_is_left_of_a_body_that_was_cut_short(bridge: Bridge) -> None:
    """Not even until the garbage collector comes by, which may take hours."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            _, writer = await _open(bridge, POST + b"Content-Length: 262144\r\n\r\n" + bytes(200_000))
            await _until(lambda: bridge.connections.held > 200_000)
            writer.close()
            await _until(lambda: bridge.connections.count == 0)
        large = [one for one in gc.get_objects() if isinstance(one, types.FrameType)]
        bodies = [frame for frame in large if frame.f_code.co_name == "_arriving"]
        assert bodies == []
    finally:
        gc.enable()


async def test_a_flood_of_wrong_signatures_does_not_hinder_the_good(bridge: Bridge) -> None:
    """2,000 forged events over 20 connections; 50 good ones among them are all taken."""
    now = datetime.now(UTC).isoformat()

    async def forge(session: aiohttp.ClientSession, number: int) -> int:
        body = payloads.body(createdAt=now, data={"id": f"forged{number}"})
        return await _post(session, bridge.port, body, sign(body, "guess"))

    async def genuine(session: aiohttp.ClientSession, number: int) -> int:
        body = payloads.body(createdAt=now, data={"id": f"genuine{number}"})
        return await _post(session, bridge.port, body, sign(body, SECRET))

    connector = aiohttp.TCPConnector(limit=20)
    async with aiohttp.ClientSession(connector=connector) as bad, aiohttp.ClientSession() as good:
        forged, taken = await asyncio.gather(
            _all(forge(bad, number) for number in range(2_000)),
            _all(genuine(good, number) for number in range(50)),
        )
    assert set(forged) == {401}
    assert set(taken) == {202}
    assert len(await bridge.events.list(limit=100)) == 50


async def _all(posts: Iterable[Coroutine[None, None, int]]) -> list[int]:
    return list(await asyncio.gather(*posts))


async def _post(session: aiohttp.ClientSession, port: int, body: bytes, signature: str) -> int:
    headers = {"X-Copera-Signature": signature}
    async with session.post(f"http://127.0.0.1:{port}{PATH}", data=body, headers=headers) as answer:
        json.loads(await answer.read())
        return answer.status
