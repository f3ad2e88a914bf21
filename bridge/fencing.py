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
class Fence:
    """One call: whether it `may` leave, and whether that was `refused`; then nothing of its body left."""

    may: Callable[[], bool]
    refused: bool = False


_fence: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(may: Callable[[], bool]) -> Iterator[Fence]:
    """Calls within the block leave only while `may` holds; else they end as a broken connection."""
    fence = Fence(may)
    before = _fence.set(fence)
    try:
        yield fence
    finally:
        _fence.reset(before)


def tracing() -> aiohttp.TraceConfig:
    """What a session needs so that its calls are asked."""
    config = aiohttp.TraceConfig()
    config.on_request_chunk_sent.append(_ask)  # called before the bytes go, in the same step
    return config


async def _ask(_session: object, _context: object, _chunk: object) -> None:
    fence = _fence.get()
    if fence is not None and not fence.may():
        fence.refused = True
        raise ConnectionAbortedError("the claim ran out before the call had left")
