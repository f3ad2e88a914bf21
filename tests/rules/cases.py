"""The case files of the rules language: what `check` prints for each."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import RulesError

CASES: Final = Path(__file__).parent.parent / "cases" / "rules"


def check(path: Path) -> list[str]:
    """The lines `check` prints for a file where no bridge but the webhook OPS is set up."""
    try:
        return load(path.read_bytes(), name=path.name, webhooks={"OPS"}, is_set_up=False).report()
    except RulesError as error:
        return str(error).splitlines()
