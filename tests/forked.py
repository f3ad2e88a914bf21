"""Processes forked from a server that has imported everything: a start takes no second of processor time."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.cli import main

CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.processes", "bridge.cli.doctor", "bridge.cli.service"])

_PATIENCE: Final = 300


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str, environment: Mapping[str, str], folder: Path) -> Done:
    """`booking-bridge` with these arguments in a process, an environment and a folder of its own.

    What differs from a person's is that Python and the modules are there already.
    """
    with tempfile.TemporaryDirectory() as name:
        said = [Path(name) / "out", Path(name) / "err"]
        child = CONTEXT.Process(target=_run, args=(arguments, dict(environment), folder, said))
        child.start()
        child.join(_PATIENCE)
        child.kill()
        child.join()
        out, err = (file.read_text(encoding="utf-8") for file in said)
    assert child.exitcode is not None
    return Done(child.exitcode, out, err)


def _run(arguments: tuple[str, ...], environment: dict[str, str], folder: Path, said: list[Path]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(said, 1):
        with file.open("wb") as opened:
            os.dup2(opened.fileno(), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
    sys.argv = ["booking-bridge", *arguments]
    main()
