"""Calls are asked once more whether they still may, when their body is about to leave the process.

Between the decision to call and the bytes lie a connection to be made and the loop's other work. A process
that is stopped there (a paused machine, a debugger, a starved container) would otherwise send when it goes
on, though another replica has long taken the work over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import aiohttp


@dataclass(slots=True)
class Departure:
    """One call: whether it `may` leave, and whether that was `refused`; then nothing of its body left."""

    may: Callable[[], bool]
    refused: bool = False


_departure: ContextVar[Departure | None] = ContextVar("departure", default=None)


@contextmanager
def departing(may: Callable[[], bool]) -> Iterator[Departure]:
    """Calls within the block leave only while `may` holds; else they end as a broken connection."""
    departure = Departure(may)
    before = _departure.set(departure)
    try:
        yield departure
    finally:
        _departure.reset(before)


def watched() -> aiohttp.TraceConfig:
    """What a session needs so that its calls are asked."""
    config = aiohttp.TraceConfig()
    config.on_request_chunk_sent.append(_ask)  # called before the bytes go, in the same step
    return config


async def _ask(_session: object, _context: object, _chunk: object) -> None:
    departure = _departure.get()
    if departure is not None and not departure.may():
        departure.refused = True
        raise ConnectionAbortedError("the claim ran out before the call had left")
