"""What the commands share: settings, an open database, output for people and for programs.

Imports what is heavy only where it is used: `check` is to answer at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from bridge import __version__, settings
from bridge.core.text import visible

if TYPE_CHECKING:
    from bridge.database import Database

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"booking-bridge {__version__}")
        raise typer.Exit


Version = typer.Option("--version", help="Print the version and exit.", callback=_say_version, is_eager=True)


def bridge(version: Annotated[bool, Version] = False) -> None:
    """Copera bookings as Slack messages and calendar feeds."""


Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]


def load_settings(*required: str) -> settings.Settings:
    """Settings from the environment and .env. Raises SettingsError."""
    return settings.load(settings.environment(os.environ), required=required)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop, which serves webhooks about a third faster than asyncio's own loop."""
    import uvloop

    return uvloop.run(work)


@asynccontextmanager
async def opened(*required: str) -> AsyncIterator[Database]:
    """The database of the settings, brought up to date. Raises SettingsError, Unavailable."""
    from bridge.database import open_database

    url = load_settings(*required).bridge_database_url.get_secret_value()
    database = await open_database(url)
    try:
        yield database
    finally:
        await database.close()


def print_json(value: object) -> None:
    """JSON on standard output, with escapes where its encoding does not have every letter."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    typer.echo(visible(json.dumps(value, indent=2, ensure_ascii=not is_utf8, default=_plain)))


def print_lines(lines: Iterable[str]) -> None:
    """Lines for people: what came from outside steers no terminal."""
    for line in lines:
        typer.echo(visible(line))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns, each row one whole line however wide the terminal is, so that grep finds all."""
    everything = [heads, *([_plain_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    for row in everything:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def tell_limit(found: Sequence[object], limit: int) -> None:
    """Say, beside a list and not in it, that there may be more than it shows."""
    if len(found) == limit:
        typer.echo(f"booking-bridge: these are the latest {limit}; --limit shows more", err=True)


def finish(said: str, refused: Sequence[str]) -> NoReturn:
    """Print what was done, and on standard error why the rest was not; exit 1 if there is any."""
    for line in refused:
        typer.echo(f"booking-bridge: {line}", err=True)
    typer.echo(said)
    raise typer.Exit(1 if refused else 0)


def _plain_text(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def local(moment: datetime | None) -> str:
    """A time for people, in the machine's zone and with its name: a container's is seldom the reader's."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if moment else "-"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(type(value).__name__)
