"""deploy/command.sh runs a command with just the settings of the systemd unit."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = (DEPLOY / "booking-bridge.service").read_text(encoding="utf-8")
SCRIPT = (DEPLOY / "command.sh").read_text(encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """An installation under another root, whose program tells its environment and arguments."""
    etc = tmp_path / "etc/booking-bridge"
    (etc / "secrets").mkdir(parents=True)
    (etc / "environment").write_text(
        "# comment\n\nBRIDGE_PUBLIC_URL=https://x.example/?a=b\n"
        'BRIDGE_LOG_LEVEL="debug"\nODD=$(touch oops) `id`'
    )
    for name in re.findall(r"^LoadCredential=(\w+):", UNIT, re.MULTILINE):
        (etc / "secrets" / name).write_text(f"hunter2-{name}")
    program = tmp_path / "opt/booking-bridge/bin/booking-bridge"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nenv\necho "ARGUMENTS=$*"\n')
    program.chmod(0o755)
    moved = SCRIPT.replace("=/etc/", f"={tmp_path}/etc/").replace("=/opt/", f"={tmp_path}/opt/")
    (tmp_path / "command.sh").write_text(moved)
    return tmp_path


def run(root: Path, *arguments: str) -> dict[str, str]:
    done = subprocess.run(
        ["sh", root / "command.sh", *arguments],
        env={"PATH": os.environ["PATH"]},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(line.partition("=")[::2] for line in done.stdout.splitlines())


def test_the_settings_are_those_of_the_unit(installed: Path) -> None:
    """The same names: rules, database, each secret by its file, and what stands in `environment`."""
    found = run(installed, "feeds", "url", "ana@example.com")
    assert found["ARGUMENTS"] == "feeds url ana@example.com"
    assert found["BRIDGE_PUBLIC_URL"] == "https://x.example/?a=b"
    assert found["BRIDGE_LOG_LEVEL"] == "debug"
    for name, value in re.findall(r"^Environment=(\w+)=%d/(\w+)$", UNIT, re.MULTILINE):
        assert Path(found[name]).read_text() == f"hunter2-{value}"
    for name in ("BRIDGE_RULES", "BRIDGE_DATABASE_URL"):
        (value,) = re.findall(rf"^Environment={name}=(.*)$", UNIT, re.MULTILINE)
        assert found[name].replace(str(installed), "") == value
    assert "hunter2" not in str(found)


def test_values_are_not_run(installed: Path) -> None:
    assert run(installed, "doctor")["ODD"] == "$(touch oops) `id`"
    assert not list(installed.rglob("oops"))
