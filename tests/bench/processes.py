"""What is measured, and Slack's stand-in, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(*arguments: str) -> Iterator[int]:
    """One of the servers of `tests.bench.servers`; its port."""
    command = [sys.executable, "-m", "tests.bench.servers", *arguments]
    told = subprocess.DEVNULL if arguments[0] == "talkative" else None
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def slack(*arguments: str) -> Iterator[str]:
    """Slack's stand-in; the address of its API."""
    command = [sys.executable, "-m", "bridge.sandbox.slack", "--token", "xoxb-sandbox", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(20)
