"""The real process and both stand-ins, each a process of its own on the loopback, joined to each other."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from bridge.sandbox.copera import SECRET
from bridge.sandbox.copera import TOKEN as COPERA_TOKEN
from bridge.sandbox.slack import TOKEN as SLACK_TOKEN

BOOKINGS: Final = 300
"""How many are there before the bridge starts."""

RULES: Final = """
version: 1
rules:
  - {name: calls, when: {type: Intro Call}, post: {to: "#sales"}}
  - {name: panels, when: {type: Panel interview}, post: {to: "#panels", style: post}}
otherwise: {post: {to: "#bookings"}}
"""


@dataclass
class Soak:
    """The processes, what was done to them, and samples of the bridge: (bytes resident, open files)."""

    session: aiohttp.ClientSession
    bridge: str
    slack: str
    copera: str
    process: psutil.Process
    draw: random.Random
    done: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[int, int]] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)

    async def order(self, base: str, name: str, **body: Any) -> Any:
        async with self.session.post(f"{base}/_control/{name}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def look(self, base: str, view: str) -> Any:
        async with self.session.get(f"{base}/_control/{view}") as answer:
            return await answer.json()

    def sample(self) -> None:
        self.samples.append((self.process.memory_info().rss, self.process.num_fds()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _child(*command: str, log: Path, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=errors, env={**os.environ, **settings}
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()


@asynccontextmanager
async def _stand_in(name: str, folder: Path, *options: str) -> AsyncIterator[str]:
    """A stand-in; its address."""
    command = (sys.executable, "-m", f"bridge.sandbox.{name}", *options)
    async with _child(*command, log=folder / f"{name}.log") as process:
        assert process.stdout is not None
        said = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        yield "/".join(said.split("/")[:3])


@asynccontextmanager
async def running(folder: Path, seed: int) -> AsyncIterator[Soak]:
    """All three processes, joined to each other."""
    port = _free_port()
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    channels = [option for name in ("sales", "panels", "bookings") for option in ("--channel", name)]
    async with (
        _stand_in("slack", folder, "--token", SLACK_TOKEN, "--no-limits", *channels) as slack,
        _stand_in("copera", folder, "--bookings", str(BOOKINGS)) as copera,
        _child(
            *(sys.executable, "-c", "from bridge.cli import main; main()", "serve"),
            log=folder / "bridge.log",
            **_settings(folder, port, slack, copera),
        ) as process,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session,
    ):
        bridge = f"http://127.0.0.1:{port}"
        soak = Soak(session, bridge, slack, copera, psutil.Process(process.pid), random.Random(seed))
        drained = asyncio.create_task(_drain_output(process))
        await _ready(soak)
        await soak.order(copera, "subscribe", url=f"{bridge}/webhooks/copera", secret=SECRET, first_wait=0.2)
        yield soak
        drained.cancel()


def _settings(folder: Path, port: int, slack: str, copera: str) -> dict[str, str]:
    return {
        "COPERA_API_URL": f"{copera}/public/v1",
        "COPERA_API_TOKEN": COPERA_TOKEN,
        "COPERA_WEBHOOK_SECRETS": SECRET,
        "SLACK_BOT_TOKEN": SLACK_TOKEN,
        "SLACK_API_URL": f"{slack}/api/",
        "BRIDGE_RULES": str(folder / "rules.yaml"),
        "BRIDGE_DATABASE_URL": f"sqlite:///{folder / 'bridge.db'}",
        "BRIDGE_HOST": "127.0.0.1",
        "BRIDGE_PORT": str(port),
        "BRIDGE_SECRET": "s" * 32,
        "BRIDGE_CHANNEL_RATE": "0",
        "BRIDGE_WORKSPACE_RATE": "0",
        "BRIDGE_SYNC_INTERVAL": "20",
        "BRIDGE_LOG_LEVEL": "warning",
        "BRIDGE_LOG_FORMAT": "json",
    }


async def _drain_output(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(65536):
        pass


async def _ready(soak: Soak) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(aiohttp.ClientError):
            async with soak.session.get(f"{soak.bridge}/metrics") as answer:
                if "booking_bridge_mirror_bookings 0.0" not in await answer.text():
                    return
        await asyncio.sleep(0.2)
    raise RuntimeError("the bridge did not read its bookings")
