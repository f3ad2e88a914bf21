"""From webhook to Slack's stand-in: how long one takes, and how fast a backlog drains, unpaced and paced."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from bridge.core.knowledge import Knowledge
from bridge.core.reading import read_envelope
from bridge.core.rules.file import load
from bridge.core.signature import sign
from bridge.database import open_database
from bridge.router import Router
from bridge.sandbox.copera import SECRET
from bridge.store.intake import Intake
from tests import payloads
from tests.bench.figures import Figure, at_least, at_most
from tests.bench.processes import serving, slack

CHANNELS = 200
BACKLOG = 10_000
RATE = 50
SECONDS = 10
A_MINUTE = 300
BURST_SECONDS = 5
PACED_SECONDS = 25


def rules() -> str:
    """One rule for each of the channels."""
    lines = [
        f'  - {{name: r{n}, when: {{type: T{n}}}, post: {{to: "#c{n}"}}, stop: true}}'
        for n in range(CHANNELS)
    ]
    return "version: 1\nrules:\n" + "\n".join(lines) + "\n"


def event(number: int, prefix: str) -> bytes:
    """A new booking of one of the types."""
    data = {"id": f"{prefix}{number}", "bookingTypeTitle": f"T{number % CHANNELS}"}
    return json.dumps(payloads.document("booking.created", datetime.now(UTC).isoformat(), **data)).encode()


async def latency(port: int, api: str, seconds: int = SECONDS) -> list[float]:
    """Seconds from sending a webhook to Slack's taking the message, in rising order."""
    sent: dict[str, float] = {}

    async def send(session: aiohttp.ClientSession, body: bytes) -> None:
        headers = {"X-Copera-Signature": sign(body, SECRET)}
        sent[read_envelope(body).id] = time.time()
        async with session.post(
            f"http://127.0.0.1:{port}/webhooks/copera", data=body, headers=headers
        ) as answer:
            assert answer.status == 202

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        async with session.get(f"http://127.0.0.1:{port}/healthz"):
            pass  # the sender's own first request is not what is measured,
        await asyncio.sleep(1)  # nor the second in which a process starts
        begun = time.perf_counter()
        for number in range(RATE * seconds):
            await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
            tasks.create_task(send(session, event(number, "l")))
    await until(api, len(sent))
    messages = await seen(api, "messages")
    taken = {message["metadata"]["event_payload"]["event"]: message["received"] for message in messages}
    return sorted(taken[identity] - moment for identity, moment in sent.items())


async def fill(folder: str, count: int) -> None:
    """Put so many routed events into the database, as if Slack had been away."""
    database = await open_database(f"sqlite:///{folder}/bridge.db")
    intake = Intake(database)
    running = asyncio.create_task(intake.run())
    now = datetime.now(UTC)
    bodies = [event(number, "d") for number in range(count)]
    await asyncio.gather(*(intake.accept(read_envelope(body), body, "1", "webhook", now) for body in bodies))
    knowledge = Knowledge(load(rules().encode()).rules)
    router = Router(database, lambda: knowledge, clock=lambda: datetime.now(UTC))
    while await router.route_received():
        pass
    running.cancel()
    await database.close()


async def seen(api: str, what: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(api.replace("/api/", f"/_control/{what}")) as found,
    ):
        return await found.json()


async def until(api: str, count: int, patience: float = 120) -> float:
    """Wait until Slack has taken so many messages; the seconds it took."""
    begun = time.perf_counter()
    while (await seen(api, "state"))["posted"] < count:
        if time.perf_counter() - begun > patience:
            break
        await asyncio.sleep(0.05)
    return time.perf_counter() - begun


def channels() -> list[str]:
    return [part for number in range(CHANNELS) for part in ("--channel", f"c{number}")]


def with_rules(folder: str) -> str:
    """The folder, in which these rules lie now."""
    (Path(folder) / "rules.yaml").write_text(rules(), encoding="utf-8")
    return folder


def posting(api: str, count: int) -> dict[str, float]:
    """What slack_sdk alone makes of so many messages: the seconds, and how many were refused."""
    command = [sys.executable, "-m", "tests.bench.posting", api, str(count), str(CHANNELS)]
    said: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return said


def _telling() -> list[Figure]:
    """How long one event takes to Slack, beside a relay that keeps nothing and waits for nobody."""
    times: dict[str, list[float]] = {}
    for kind in ("relay", "service"):
        with tempfile.TemporaryDirectory() as folder, slack("--no-limits", *channels()) as api:
            arguments = (api,) if kind == "relay" else (with_rules(folder), api)
            with serving(kind, *arguments) as port:
                times[kind] = asyncio.run(latency(port, api))
    said = f"webhook to Slack at {RATE} events a second"
    figures = []
    for name, share, goal in (("median", 0.5, 15), ("99 of 100 within", 0.99, 60)):
        mine, bare = (times[kind][int(len(times[kind]) * share)] * 1e3 for kind in ("service", "relay"))
        yardstick = f"{mine / bare:.1f} × slack_sdk alone, {bare:.1f} ms"
        figures.append(at_most(f"{said}, {name}", mine, goal, "{:.1f} ms", yardstick))
    return figures


def _draining() -> Figure:
    """How fast a backlog drains, beside the same messages out of memory."""
    with tempfile.TemporaryDirectory() as folder, slack("--no-limits", *channels()) as api:
        asyncio.run(fill(with_rules(folder), BACKLOG))
        with serving("service", folder, api):
            rate = BACKLOG / asyncio.run(until(api, BACKLOG))
    with slack("--no-limits", *channels()) as api:
        bare = BACKLOG / posting(api, BACKLOG)["seconds"]
    said = f"draining {BACKLOG:,} deliveries over {CHANNELS} channels, unpaced"
    yardstick = f"{rate / bare:.2f} of slack_sdk alone, {bare:,.0f}/s"
    return at_least(said, rate, 700, "{:,.0f}/s", yardstick)


def _paced() -> list[Figure]:
    """What pacing makes of Slack's limits once its burst is over, beside posting without it."""
    with tempfile.TemporaryDirectory() as folder, slack(*channels()) as api:
        asyncio.run(fill(with_rules(folder), 1_000))
        with serving("service", folder, api, "1", str(A_MINUTE)):
            time.sleep(BURST_SECONDS)
            begun, first = time.perf_counter(), asyncio.run(seen(api, "state"))["posted"]
            time.sleep(PACED_SECONDS)
            seconds, last = time.perf_counter() - begun, asyncio.run(seen(api, "state"))["posted"]
            limited = len(asyncio.run(seen(api, "limited")))
    with slack(*channels()) as api:
        refused = posting(api, 1_000)["refused"]
    allowed = A_MINUTE / 60 * seconds
    said = f"draining paced at {A_MINUTE} a minute, {PACED_SECONDS} s after the first burst"
    counted = f"{last - first} of {allowed:.0f} messages; {first} before"
    alone = f"slack_sdk alone, 1,000 messages: {refused:,.0f}"
    return [
        at_least(f"{said}, of what is allowed", (last - first) / allowed, 0.95, "{:.0%}", counted),
        at_most(f"{said}, answers 429", limited, 0, "{:.0f}", alone),
    ]


def bench() -> list[Figure]:
    """The figures of the table."""
    return [*_telling(), _draining(), *_paced()]


if __name__ == "__main__":
    print("\n".join(figure.line for figure in bench()))
