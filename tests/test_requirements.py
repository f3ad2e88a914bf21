"""requirements.txt pins everything that pyproject.toml asks for, within the ranges it allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
LINES = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]


def pins() -> dict[str, str]:
    """Each pinned package's version, by its canonical name."""
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in LINES)}


def test_every_line_is_an_exact_pin() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []
    assert len(pins()) == len(LINES)


@pytest.mark.parametrize("wanted", WANTED)
def test_a_dependency_is_pinned_within_its_range(wanted: str) -> None:
    asked = Requirement(wanted)
    version = pins().get(canonicalize_name(asked.name))
    assert version is not None
    assert version in asked.specifier
