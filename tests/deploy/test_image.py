"""The Dockerfile's first stage, step by step, in a clean directory: no engine is needed for that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def instructions(name: str, stage: int | None = None) -> list[str]:
    """The arguments of the Dockerfile's instructions of this name, of all stages or one; lines joined."""
    text = re.sub(r"\\\n\s*", "", "".join(_lines()))
    if stage is not None:
        text = re.split(r"^FROM ", text, flags=re.MULTILINE)[stage]
    return [line.partition(" ")[2].strip() for line in text.splitlines() if line.startswith(name + " ")]


def _lines() -> list[str]:
    lines = (ROOT / "Dockerfile").read_text().splitlines(keepends=True)
    return [line for line in lines if not line.startswith("#")]


def copied() -> list[str]:
    """What the first stage takes from the checkout."""
    return [
        source
        for each in instructions("COPY")
        if not each.startswith("--from")
        for source in each.split()[:-1]
    ]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    ]
    assert set(copied()) <= set(allowed)
    assert all((ROOT / name).exists() for name in copied())


def test_the_last_stage_is_small_and_not_root() -> None:
    last = "".join(_lines()).rpartition("\nFROM ")[2]
    assert "USER 10001:10001" in last
    assert "HEALTHCHECK" in last
    assert "pip" not in last.replace("/opt/bridge", "")
    assert [line for line in instructions("ENV") if re.search("SECRET|TOKEN", line)] == []


@pytest.fixture
def folder() -> Iterator[Path]:
    """On a disk: a file system in memory may forbid to run what lies there."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.image
def test_the_steps_end_in_a_command_that_works(folder: Path) -> None:
    """Copy, venv, pip with constraints, as written; then the command and the package's data, elsewhere."""
    source, target = folder / "src", folder / "opt"
    source.mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    for step in instructions("RUN", stage=1):  # the last one's would make a user on this machine
        here = step.replace("/opt/bridge", str(target)).replace("--no-cache-dir", "--quiet")
        here = here.replace("python -m venv", f"{sys.executable} -m venv")
        quick = {**os.environ, "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            here, shell=True, cwd=source, env=quick, capture_output=True, text=True, timeout=1_200
        )
        assert done.returncode == 0, done.stderr[-2_000:]
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    command = target / "bin" / "booking-bridge"
    helped = _run(elsewhere, str(command), "--help")
    assert "serve" in helped
    played = _run(elsewhere, str(command), "demo", "--once")  # the service at work, without development tools
    assert played.rstrip().endswith("Everything arrived.")
    wanted = _files(source / "bridge")
    shutil.rmtree(source)
    place = _run(elsewhere, str(target / "bin" / "python"), "-c", "import bridge; print(bridge.__path__[0])")
    installed = Path(place.strip()).parent
    assert _files(installed / "bridge") == wanted
    assert not (installed / "tests").exists()
    assert not (target / "bin" / "pip").exists()


def _files(folder: Path) -> set[str]:
    """Everything in a folder but what Python makes itself: code, migrations, pages, schemas, the demo."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if path.suffix != ".pyc"}


def _run(folder: Path, *command: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout
