"""The command `booking-bridge`. Exit status: 0 fine, 1 a problem was found, 2 wrong use or settings."""

from __future__ import annotations

import sys

import typer

from bridge.app import CannotStart
from bridge.cli import deliveries, doctor, events, feeds, rules, send, service
from bridge.core.problems import RulesError
from bridge.database import Unavailable
from bridge.rulebook import Unreadable
from bridge.settings import SettingsError

application = typer.Typer(
    help="Copera bookings as Slack messages and calendar feeds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
service.add_to(application)
rules.add_to(application)
send.add_to(application)
doctor.add_to(application)
application.add_typer(events.commands, name="events")
application.add_typer(deliveries.commands, name="deliveries")
application.add_typer(feeds.commands, name="feeds")


def main() -> None:
    """Run the command line; a user's mistake ends in plain lines, never a traceback."""
    try:
        application()
    except SettingsError as error:
        _fail(error.problems, 2)
    except (CannotStart, Unavailable, Unreadable) as error:
        _fail((str(error),), 2)
    except RulesError as error:
        _fail(str(error).splitlines(), 1)


def _fail(lines: tuple[str, ...] | list[str], status: int) -> None:
    for line in lines:
        sys.stderr.write(f"booking-bridge: {line}\n")
    sys.exit(status)
