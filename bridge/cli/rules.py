"""`booking-bridge check`, `explain` and `schema`: the rules file, before it is used.

Only what looks into the database imports it: `check` runs at every commit of somebody's rules.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bridge import settings
from bridge.cli.common import Json, load_settings, print_json, print_lines, run
from bridge.core.bookings import Booking, BookingType, Directory, Event
from bridge.core.messages.messages import Rendered, Scene, render
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.core.routing import Match, route
from bridge.core.rules.examples import read_short
from bridge.core.rules.explaining import explain as explain_json
from bridge.core.rules.explaining import explain_lines
from bridge.core.rules.file import MOST_BYTES, Loaded, load
from bridge.core.rules.rules import Rules
from bridge.core.rules.schema import schema_text
from bridge.core.yaml_file.problems import RulesError
from bridge.rules_file import read
from bridge.settings import SettingsError

Path_ = Annotated[
    Path | None,
    typer.Argument(metavar="RULES", help="The file; default: BRIDGE_RULES; - reads standard input."),
]


_EVENT_HELP = (
    "An event as Copera sends it, or in the short form of `examples`; - reads it from standard input."
)


def add_to(application: typer.Typer) -> None:
    application.command()(check)
    application.command()(explain)
    application.command()(schema)


def check(rules: Path_ = None, as_json: Json = False) -> None:
    """Report all problems of a rules file."""
    try:
        loaded = _load(rules)
    except RulesError as error:
        if as_json:
            print_json({"valid": False, "problems": [problem.as_json() for problem in error.problems]})
        else:
            print_lines(str(error).splitlines())
        raise typer.Exit(1) from None
    if as_json:
        print_json({"valid": True, "problems": [problem.as_json() for problem in loaded.warnings]})
    else:
        *problems, summary = loaded.report()
        print_lines([*problems, summary if problems else f"{loaded.name}: {summary}"])


def schema() -> None:
    """Print the JSON Schema of rules.yaml, for editors."""
    typer.echo(schema_text(), nl=False)


def explain(
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT.json", help="An event as Copera sends it or in the short form; - reads it."
        ),
    ] = "",
    rules: Annotated[Path | None, typer.Option(help="The rules file; default: BRIDGE_RULES.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The latest event that the bridge stored.")] = False,
    as_json: Json = False,
) -> None:
    """Say which rules match an event and why the others do not, and show what would be posted."""
    if bool(event) == last:
        raise typer.BadParameter("give a file with an event, or --last")
    loaded = _load(rules).rules
    told = run(_stored(loaded, last=last))
    happened, previous = told.latest if last else _event(event, loaded, told.directory)
    decision = route(happened, loaded, directory=told.directory, types=told.types, previous=previous)
    messages = [_message(match, happened, previous, loaded, told) for match in decision.matches]
    if as_json:
        document = explain_json(happened, decision)
        for destination, message in zip(document["destinations"], messages, strict=True):
            destination["rendered"] = asdict(message)
        print_json(document)
        return
    names = _names(told.directory, decision.matches)
    print_lines(explain_lines(happened, decision, names))
    _show(decision.matches, messages, names)


def _show(matches: Iterable[Match], messages: Iterable[Rendered], names: Mapping[str, str]) -> None:
    """Each message as it would look in Slack."""
    from rich.console import Console

    from bridge.sandbox.screen import preview

    out = Console(highlight=False, soft_wrap=True)
    for match, message in zip(matches, messages, strict=True):
        out.print()
        out.print(preview(names.get(match.destination, match.destination), message))


@dataclass(frozen=True, slots=True)
class _Told:
    """What the database knows beside the rules; nothing when there is none yet."""

    directory: Directory
    types: Mapping[str, BookingType] = field(default_factory=dict)
    event: Event | None = None
    previous: Booking | None = None

    @property
    def latest(self) -> tuple[Event, Booking | None]:
        if self.event is None:
            typer.echo("booking-bridge: no event was stored that can be read", err=True)
            raise typer.Exit(1)
        return self.event, self.previous


async def _stored(rules: Rules, *, last: bool) -> _Told:
    """What the database knows; without one, names from the rules alone."""
    from bridge.database import Unavailable

    try:
        url = load_settings().bridge_database_url.get_secret_value()
        if last or not url.startswith("sqlite:///") or os.path.exists(url.removeprefix("sqlite:///")):  # noqa: ASYNC240
            return await _read(url, rules, last=last)
    except (SettingsError, Unavailable):
        if last:
            raise
    return _Told(Directory((), rules.people))


async def _read(url: str, rules: Rules, *, last: bool) -> _Told:
    """Raises Unavailable."""
    from bridge.database import open_database
    from bridge.store.history import History
    from bridge.store.refreshes import Refreshes

    database = await open_database(url, migrate=last)
    try:
        refreshes = Refreshes(database)
        directory = Directory(await refreshes.people(), rules.people)
        types = {one.id: one for one in await refreshes.types()}
        found = await History(database).latest() if last else None
        event, previous = found or (None, None)
        return _Told(directory, types, event, previous)
    finally:
        await database.close()


def _event(name: str, rules: Rules, directory: Directory) -> tuple[Event, Booking | None]:
    """The event in a file, in either form. Raises Unreadable, RulesError."""
    text = sys.stdin.buffer.read() if name == "-" else read(Path(name))
    try:
        return read_event(text), None
    except NotAnEvent:
        return read_short(text, rules, directory=directory, now=datetime.now(UTC))
    except Unrecognised as problem:
        try:
            return read_short(text, rules, directory=directory, now=datetime.now(UTC))
        except RulesError:
            if b'"data"' not in text:  # what it is about is not as Copera sends it, but in short form
                raise
            typer.echo(
                f"booking-bridge: the bridge would keep this event as unrecognised: {problem}", err=True
            )
            raise typer.Exit(1) from None


def _message(match: Match, event: Event, previous: Booking | None, rules: Rules, told: _Told) -> Rendered:
    scene = Scene(
        event,
        event.booking,
        previous,
        match.rule,
        told.types.get(event.booking.type_id),
        told.directory,
        former=match.former,
        host=match.destination.removeprefix("host:") if match.destination.startswith("host:") else "",
    )
    return render(scene, rules, message=match.message, mention=match.mention)


def _names(directory: Directory, matches: Iterable[Match]) -> dict[str, str]:
    """What to call the hosts that a message goes to: by name, else by the id with an @ before it."""
    hosts = {match.destination for match in matches if match.destination.startswith("host:")}
    return {host: f"@{directory.name(host.removeprefix('host:'))}" for host in hosts}


def _load(given: Path | None) -> Loaded:
    """The file given, else that of the settings. Raises RulesError, Unreadable, SettingsError."""
    variables = settings.environment(os.environ)
    known = settings.load_for_rules(variables)
    path = given or known.bridge_rules
    is_set_up = settings.is_set_up(variables)
    is_piped = str(path) == "-"
    return load(
        sys.stdin.buffer.read(MOST_BYTES + 1) if is_piped else read(path),
        name="stdin" if is_piped else path.name,
        webhooks=known.slack_webhooks,
        can_look_up=known.can_look_up or not is_set_up,
        is_set_up=is_set_up,
    )
