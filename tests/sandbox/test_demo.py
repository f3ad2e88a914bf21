"""How the demo ends."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from bridge.sandbox import demo


async def test_it_waits_as_long_as_something_arrives() -> None:
    """However slow the machine is: only what stands still is given up."""
    looks = [["a", "b", "c"], ["a", "b"], ["b"], []]
    assert await demo.settle(lambda: _next(looks), patience=0) == []
    stuck = [["a", "b"], ["b"], ["b"], []]
    assert await demo.settle(lambda: _next(stuck), patience=0) == ["b"]


async def _next(looks: list[list[str]]) -> list[str]:
    return looks.pop(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_it_leaves_nothing_behind_when_it_is_ended(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of its story, by a closed terminal or `kill`: a shell's status, and no database."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Screen(Console):
        def print(self, *_: object, **__: object) -> None:
            assert list(tmp_path.iterdir())
            os.kill(os.getpid(), number)

    assert await demo.run(once=False, console=Screen(file=io.StringIO())) == 128 + number
    assert list(tmp_path.iterdir()) == []
