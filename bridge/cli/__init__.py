"""The command `booking-bridge`. Exit status: 0 fine, 1 a problem was found, 2 wrong use or settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import typer

_PARTS: Final = {
    "service": ("serve", "demo"),
    "rules": ("check", "explain", "schema"),
    "send": ("send",),
    "doctor": ("doctor",),
    "events": ("events",),
    "deliveries": ("deliveries",),
    "feeds": ("feeds",),
}
"""The modules beside this one, with their commands. Half of them import the whole service."""


def build(wanted: str = "") -> typer.Typer:
    """The command line: with this command alone when there is one of the name, else with all."""
    import typer

    from bridge.cli.common import bridge

    application = typer.Typer(
        help="Copera bookings as Slack messages and calendar feeds.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    application.callback()(bridge)
    parts = [part for part, names in _PARTS.items() if wanted in names]
    for part in parts or _PARTS:
        import_module(f"bridge.cli.{part}").add_to(application)
    return application


def command_line(wanted: str = "") -> Any:
    """What `build` describes, ready to be called; its help calls no flag `<bool>`, as if it took a value."""
    from typer.main import get_command

    command = get_command(build(wanted))
    _without_types(command)
    return command


def _without_types(command: Any) -> None:
    for each in command.get_params(command.context_class(command)):
        if getattr(each, "is_flag", False):
            each.metavar = ""
    for child in getattr(command, "commands", {}).values():
        _without_types(child)


def main() -> None:
    """Run the command line; a user's mistake ends in plain lines, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a terminal or a log has no letter for becomes a "?"
            stream.reconfigure(errors="replace")
    try:
        _run()
    except KeyboardInterrupt:  # while modules load, which takes a second or two; later, typer does the same
        sys.exit(130)


def _run() -> None:
    from bridge.core.yaml_file.problems import RulesError
    from bridge.settings import SettingsError

    try:
        command_line(sys.argv[1] if len(sys.argv) > 1 else "")()
    except SettingsError as error:
        _fail(error.problems, 2)
    except RulesError as error:
        _fail(str(error).splitlines(), 1)
    except Exception as error:
        status = _status(error)
        if not status:
            raise
        _fail((str(error),), status)


def _status(error: Exception) -> int:
    """The exit status where the message is all that a user needs, else 0.

    A database that is away is no wrong setting: a supervisor may try again. One that a later version has
    changed stays so. Imports what most commands can do without.
    """
    from bridge.database import TooNew, Unavailable
    from bridge.rules_file import Unreadable

    return 1 if isinstance(error, Unavailable) else 2 if isinstance(error, (Unreadable, TooNew)) else 0


def _fail(lines: Iterable[str], status: int) -> None:
    for line in lines:
        sys.stderr.write(f"booking-bridge: {line}\n")
    sys.exit(status)
