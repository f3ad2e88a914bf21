"""`booking-bridge check`, `explain` and `schema`: the rules file, before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.common import Json, load_settings, print_json, print_lines
from bridge.core.problems import RulesError
from bridge.core.rules_file import Loaded, load
from bridge.rulebook import read
from bridge.settings import SettingsError

Path_ = Annotated[Path | None, typer.Argument(metavar="RULES", help="The file; default: BRIDGE_RULES.")]


def add_to(application: typer.Typer) -> None:
    application.command()(check)


def check(rules: Path_ = None, as_json: Json = False) -> None:
    """Report all problems of a rules file."""
    try:
        loaded = _load(rules or load_settings().bridge_rules)
    except RulesError as error:
        if as_json:
            print_json({"valid": False, "problems": [problem.as_json() for problem in error.problems]})
        else:
            print_lines(str(error).splitlines())
        raise typer.Exit(1) from None
    if as_json:
        print_json({"valid": True, "problems": [problem.as_json() for problem in loaded.warnings]})
    else:
        print_lines(loaded.report())


def _load(path: Path) -> Loaded:
    """Raises RulesError, Unreadable."""
    try:
        settings = load_settings()
    except SettingsError:  # a file can be checked where no service is set up
        return load(read(path), name=path.name)
    webhooks = settings.slack_webhooks or None
    return load(
        read(path), name=path.name, webhooks=webhooks, can_look_up=settings.copera_api_token is not None
    )
