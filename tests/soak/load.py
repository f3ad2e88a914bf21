"""The load: bookings and what happens to them, hostile requests, and faults switched on and off."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.soak.world import Soak

LONGEST: Final = 120
"""Minutes."""

RATE: Final = 10
"""Events a second."""

PHASE: Final = 5.0
"""Seconds of a fault, and of the calm after it."""

AT_ONCE: Final = 32

Orders = tuple[tuple[dict[str, Any], int | None], ...]
"""Faults in the stand-ins' words, and for how many calls (None: for the whole phase)."""

SLACK_FAULTS: Final[Orders] = (
    ({"kind": "status", "status": 503}, None),
    ({"kind": "drop", "accepted": True}, 20),
    ({"kind": "rate_limit", "retry_after": 2}, 5),
    ({"kind": "hang", "seconds": 1.0}, None),
    ({"kind": "refuse", "code": "is_archived"}, 3),
    ({"kind": "broken_json"}, 10),
    ({"kind": "latency", "seconds": 0.3}, None),
)
COPERA_FAULTS: Final[Orders] = (
    ({"kind": "status", "status": 500}, None),
    ({"kind": "latency", "seconds": 0.5}, None),
    ({"kind": "short_page", "keep": 1}, 3),
    ({"kind": "drop"}, None),
)


async def load(soak: Soak, minutes: float) -> None:
    """Bookings, changes, hostile requests and faults, for so long."""
    ends = time.monotonic() + minutes * 60
    gate = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_switch_faults(soak, ends))
        while time.monotonic() < ends:
            await gate.acquire()
            act = _nuisance if soak.draw.random() < 0.1 else _event
            tasks.create_task(_released(act(soak), gate))
            if soak.done["sent"] % RATE == 0:
                soak.sample()
            await asyncio.sleep(1 / RATE)


async def _released(work: Awaitable[None], gate: asyncio.Semaphore) -> None:
    try:
        await work
    finally:
        gate.release()


async def _switch_faults(soak: Soak, ends: float) -> None:
    """One fault after the other, each followed by calm."""
    for turn in range(LONGEST * 60):
        for base, faults in ((soak.slack, SLACK_FAULTS), (soak.copera, COPERA_FAULTS)):
            fault, times = faults[turn % len(faults)]
            await soak.order(base, "fail", fault=fault, times=times)
            soak.done["faults"] += 1
        await asyncio.sleep(PHASE)
        for base in (soak.slack, soak.copera):
            await soak.order(base, "clear")
        await asyncio.sleep(PHASE)
        if time.monotonic() >= ends:
            return


async def _event(soak: Soak) -> None:
    """Something happens to a booking; now and then its webhook is withheld, or comes twice."""
    draw, known = soak.draw, soak.uids
    chance = draw.random()
    rest: dict[str, Any] = {"withhold": True} if chance < 0.02 else {"copies": 2} if chance < 0.06 else {}
    soak.done["withheld" if chance < 0.02 else "sent"] += 1
    name = draw.choice(("create", "create", "confirm", "reschedule", "cancel", "no_show"))
    if name == "create" or not known:
        kind = draw.choice(("Intro Call", "Panel interview", "Support session"))
        booker = {"name": "A Booker", "email": f"booker{draw.randrange(500)}@example.com"}
        body = {"type": kind, "start": _start(draw), "booker": booker, "pending": draw.random() < 0.3}
        known.append((await soak.order(soak.copera, "create", **body, **rest))["uid"])
        return
    uid = known.pop(draw.randrange(len(known))) if name == "cancel" else draw.choice(known)
    more = {"start": _start(draw)} if name == "reschedule" else {}
    await soak.order(soak.copera, name, uid=uid, **more, **rest)


def _start(draw: random.Random) -> str:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return (start + timedelta(hours=draw.randrange(24, 24 * 30))).isoformat()


async def _nuisance(soak: Soak) -> None:
    """What no one should send: wrong signatures, no JSON, feeds that do not exist."""
    soak.done["nuisances"] += 1
    body, headers = b"{" * 1000, {"X-Copera-Signature": f"sha256={'0' * 64}"}
    async with soak.session.post(f"{soak.bridge}/webhooks/copera", data=body, headers=headers) as answer:
        assert answer.status == 401, answer.status
    async with soak.session.get(f"{soak.bridge}/feeds/{'x' * 40}.ics") as answer:
        assert answer.status == 404, answer.status
