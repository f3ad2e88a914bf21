"""The real service and Slack's stand-in, each in a process of its own that can be killed at a named step.

The processes are forked from a server that has imported everything, so that a restart takes no second.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import structlog
import uvloop

from bridge.app import Service
from bridge.sandbox import server
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_limits import Limits
from bridge.settings import Settings
from tests.forked import CONTEXT

_START = 120.0


@dataclass(frozen=True)
class Kill:
    """Die by SIGKILL when a step is reached for the `nth` time."""

    step: str
    nth: int = 1


@dataclass
class Process:
    """A running child. `url` is where it listens; `clock` shifts its clock by so many seconds."""

    child: Any
    url: str
    clock: Any = None
    logs: str = field(default="", repr=False)

    @property
    def is_alive(self) -> bool:
        return bool(self.child.is_alive())

    @property
    def pid(self) -> int:
        return int(self.child.pid)

    def kill(self) -> None:
        """At once, by SIGKILL."""
        self.child.kill()
        self.child.join(10)

    async def died(self, patience: float = 120.0) -> None:
        """Wait until it killed itself."""
        await asyncio.to_thread(self.child.join, patience)
        assert not self.is_alive, "the step was never reached"
        assert self.child.exitcode == -signal.SIGKILL, self.child.exitcode

    async def stop(self) -> None:
        """Kindly, by SIGTERM; by SIGKILL when it does not go."""
        self.child.terminate()
        await asyncio.to_thread(self.child.join, 15)
        self.kill()


async def start_bridge(values: Mapping[str, Any], kill: Kill | None = None, ahead: float = 0) -> Process:
    """The service with these settings; returns when it listens, or died trying."""
    clock = CONTEXT.Value("d", ahead)
    ours, theirs = CONTEXT.Pipe()
    child = CONTEXT.Process(target=_bridge, args=(dict(values), theirs, kill, clock), daemon=True)
    return await _started(child, ours, theirs, clock)


async def start_slack(channels: tuple[str, ...], limits: Limits | None = None) -> Process:
    """Slack's stand-in, driven over `/_control/`."""
    ours, theirs = CONTEXT.Pipe()
    child = CONTEXT.Process(target=_slack, args=(theirs, channels, limits), daemon=True)
    return await _started(child, ours, theirs, None)


async def _started(child: Any, ours: Connection, theirs: Connection, clock: Any) -> Process:
    await asyncio.to_thread(child.start)
    theirs.close()
    try:
        if not await asyncio.to_thread(ours.poll, _START):
            raise RuntimeError("the process did not start")
        url = ours.recv()
    except EOFError:
        url = ""
    return Process(child, url, clock)


def _bridge(values: dict[str, Any], pipe: Connection, kill: Kill | None, clock: Any) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    seen: Counter[str] = Counter()

    def fail_point(step: str) -> None:
        seen[step] += 1
        if kill and step == kill.step and seen[step] == kill.nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=clock.value)

    uvloop.run(_serve(Service(Settings.model_validate(values), clock=now, fail_point=fail_point), pipe))


async def _serve(service: Service, pipe: Connection) -> None:
    await service.start()
    pipe.send(service.url)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await service.wait(stop)
    await service.close()


def _slack(pipe: Connection, channels: tuple[str, ...], limits: Limits | None) -> None:
    slack = SlackStandIn(limits=limits)
    for name in channels:
        slack.add_channel(name)
    uvloop.run(server.run(slack, "127.0.0.1", 0, lambda: pipe.send(slack.url)))
