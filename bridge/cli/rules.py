"""`booking-bridge check`, `explain` and `schema`: the rules file, before it is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.common import Json, load_settings, out, print_json, print_lines, run
from bridge.core.bookings import Booking, BookingType, Directory, Event
from bridge.core.examples import read_short
from bridge.core.explaining import explain as explain_json
from bridge.core.explaining import explain_lines
from bridge.core.messages import Rendered, Scene, render
from bridge.core.problems import RulesError
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.core.routing import Match, route
from bridge.core.rules import Rules
from bridge.core.rules_file import Loaded, load
from bridge.core.schema import schema_text
from bridge.database import Unavailable, open_database
from bridge.rulebook import read
from bridge.sandbox.screen import preview
from bridge.settings import SettingsError
from bridge.store.history import History
from bridge.store.refreshes import Refreshes

Path_ = Annotated[Path | None, typer.Argument(metavar="RULES", help="The file; default: BRIDGE_RULES.")]


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
        loaded = _load(rules or _rules_path())
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
    loaded = _load(rules or _rules_path()).rules
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
    print_lines(explain_lines(happened, decision, _names(told.directory)))
    for match, message in zip(decision.matches, messages, strict=True):
        out.print()
        out.print(preview(_names(told.directory).get(match.destination, match.destination), message))


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
    """Names from the database; without one, from the rules alone."""
    nothing = _Told(Directory((), rules.people))
    try:
        url = load_settings().bridge_database_url.get_secret_value()
    except SettingsError:
        return nothing
    if url.startswith("sqlite:///") and not os.path.exists(url.removeprefix("sqlite:///")):  # noqa: ASYNC240
        return nothing
    try:
        database = await open_database(url, migrate=last)
    except Unavailable:
        if last:
            raise
        return nothing
    try:
        refreshes = Refreshes(database)
        directory = Directory(await refreshes.people(), rules.people)
        types = {one.id: one for one in await refreshes.types()}
        found = await History(database).latest() if last else None
        event, previous = found or (None, None)
        return _Told(directory, types, event, previous)
    except Unavailable:
        if last:
            raise
        return nothing
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


def _names(directory: Directory) -> dict[str, str]:
    return {f"host:{person.id}": f"@{directory.name(person.id)}" for person in directory}


def _rules_path() -> Path:
    try:
        return load_settings().bridge_rules
    except SettingsError:
        return Path("rules.yaml")


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
