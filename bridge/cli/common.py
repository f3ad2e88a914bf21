"""What the commands share: settings, an open database, output for people and for programs."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console

from bridge import settings
from bridge.database import Database, open_database

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

out = Console(highlight=False, soft_wrap=True)


def load_settings(*required: str) -> settings.Settings:
    """Settings from the environment and .env. Raises SettingsError."""
    return settings.load(settings.environment(os.environ), required=required)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop, which serves webhooks about a third faster than asyncio's own loop."""
    return uvloop.run(work)


@asynccontextmanager
async def opened(*required: str) -> AsyncIterator[Database]:
    """The database of the settings, brought up to date. Raises SettingsError, Unavailable."""
    url = load_settings(*required).bridge_database_url.get_secret_value()
    database = await open_database(url)
    try:
        yield database
    finally:
        await database.close()


def print_json(value: object) -> None:
    """JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def local(moment: datetime | None) -> str:
    """A time for people, in the machine's zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "-"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise TypeError(type(value).__name__)
