"""`booking-bridge events`: what came in and what became of it."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Annotated, Final

import typer

from bridge.cli.common import (
    Json,
    Limit,
    finish,
    local,
    opened,
    print_json,
    print_lines,
    print_table,
    run,
    tell_limit,
)
from bridge.cli.deliveries import describe, host_names
from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.core.routing import Step, route
from bridge.core.rules.explaining import step_lines
from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import RulesError
from bridge.store.events import Events, StoredEvent
from bridge.store.history import EventRecord, History
from bridge.store.refreshes import Refreshes

_SAFE: Final = "backslashreplace"
_PAGE: Final = 100
_SHORT: Final = 20
"""Characters of an id on a terminal: the time, and enough to tell those of one millisecond apart."""


class EventState(StrEnum):
    """What can be asked for with `--state`."""

    RECEIVED = "received"
    ROUTED = "routed"
    SUPERSEDED = "superseded"
    UNRECOGNISED = "unrecognised"


commands = typer.Typer(help="What came in, and what became of it.", no_args_is_help=True)


def add_to(application: typer.Typer) -> None:
    application.add_typer(commands, name="events")


@commands.command("list")
def list_events(
    state: Annotated[EventState | None, typer.Option(help="Only these.")] = None,
    booking: Annotated[str, typer.Option(help="Only this booking's.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """The latest events, newest first."""
    run(_list(state or "", booking, limit, as_json))


async def _list(state: str, booking: str, limit: int, as_json: bool) -> None:
    async with opened() as database:
        found = await Events(database).list(state=state, booking_id=booking, limit=limit)
    if as_json:
        print_json([_summary(event) for event in found])
        return
    if not found:
        typer.echo("no events")
        return
    rows = [
        (
            local(event.received_at),
            event.name or "-",
            event.state,
            event.booking_id or "-",
            event.id[:_SHORT] if sys.stdout.isatty() else event.id,
            event.problem,
        )
        for event in found
    ]
    print_table(("received", "event", "state", "booking", "id", "problem"), rows)
    tell_limit(found, limit)


@commands.command()
def show(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="An event's id, a booking's id, or a link to a Slack message."),
    ],
    raw: Annotated[
        bool, typer.Option("--raw", help="The bodies alone, byte for byte as they were signed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Everything about an event: what was received, why it went where it went, each attempt."""
    if not what.strip():
        raise typer.BadParameter("give an id or a link", param_hint="WHAT")
    if raw and sys.stdout.isatty():
        raise typer.BadParameter("write to a file or a pipe: a terminal would obey what is in a body")
    if raw and as_json:
        raise typer.BadParameter("give --raw or --json, not both")
    raise typer.Exit(run(_show(what.strip(), raw, as_json)))


async def _show(what: str, raw: bool, as_json: bool) -> int:
    async with opened() as database:
        found = await History(database).find(what)
        refreshes = Refreshes(database)
        members, types = await refreshes.people(), {one.id: one for one in await refreshes.types()}
        names = await host_names(database)
    if raw:
        return _print_raw(found.events)
    traced = [(record, _trace(record, members, types)) for record in found.events]
    if as_json:
        print_json([_document(record, steps) for record, steps in traced])
    for record, steps in traced if not as_json else ():
        print_lines(_lines(record, steps, names))
    if not found.events and not as_json:
        ways = "`booking-bridge events list` shows events and bookings by their ids"
        typer.echo(f"booking-bridge: nothing is known of {what!r}; {ways}", err=True)
    if found.more:
        more = f"these are {len(found.events)}, and there are more: `events list --booking …` lists all"
        typer.echo(f"booking-bridge: {more}", err=True)
    return 0 if found.events else 1


def _print_raw(records: Sequence[EventRecord]) -> int:
    """Each body, and a line's end where it has none; 1 when there is none that was not erased."""
    bodies = [record.event.body for record in records if record.event.body is not None]
    for body in bodies:
        sys.stdout.buffer.write(body if body.endswith(b"\n") else body + b"\n")
    sys.stdout.buffer.flush()
    return 0 if bodies else 1


def _trace(
    record: EventRecord, members: Iterable[Person], types: Mapping[str, BookingType]
) -> tuple[Step, ...]:
    """Why the event went where it went: routed once more, by the file that was in force then."""
    if record.rules is None or record.event.body is None:
        return ()
    try:
        rules = load(record.rules).rules
        event = read_event(record.event.body, record.event.version, record.event.source)
    except (RulesError, NotAnEvent, Unrecognised):
        return ()
    directory = Directory(members, rules.people)
    return route(event, rules, directory=directory, types=types, previous=record.previous).trace


@commands.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Events' ids, or their beginnings.")
    ] = None,
    unrecognised: Annotated[
        bool, typer.Option("--unrecognised", help="All that was not understood when it came in, and now is.")
    ] = False,
) -> None:
    """Route events again with today's rules; they post only where they have not."""
    if bool(ids) == unrecognised:
        raise typer.BadParameter("give ids, or --unrecognised")
    count, refused = run(_replay(list(dict.fromkeys(ids or []))))
    finish(f"{count} to be routed again by the running bridge", refused)


async def _replay(ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many are routed again, and why the others are not; all unrecognised ones when no ids are given."""
    async with opened() as database:
        events = Events(database)
        if not ids:
            return await _replay_unrecognised(events), []
        count, refused = 0, []
        for each in ids:
            meant = await events.list(ids=[each], limit=2)
            if len(meant) != 1:
                refused.append(_unclear(each, some=bool(meant)))
            elif problem := _unreadable(meant[0]):
                refused.append(f"event {meant[0].id[:_SHORT]}: {problem}")
            else:
                count += await events.again(meant[0].id)
    return count, refused


def _unclear(given: str, *, some: bool) -> str:
    if some:
        return f"several events have an id that begins with {given!r}; give more of it"
    ways = f"`events list --booking {given}` lists a booking's, `events show LINK` a message's"
    return f"no events have an id that begins with {given!r}; {ways}"


async def _replay_unrecognised(events: Events) -> int:
    """How many of them are understood now, and routed again; few bodies at a time are in memory."""
    count, before = 0, None
    while page := await events.list(state="unrecognised", limit=_PAGE, before=before):
        for event in page:
            count += not _unreadable(event) and await events.again(event.id)
        before = page[-1].seq
    return count


def _unreadable(event: StoredEvent) -> str:
    """Why an event cannot be routed, "" when it can."""
    if event.body is None:
        return "its body was erased after the retention"
    try:
        read_event(event.body, event.version, event.source)
    except (NotAnEvent, Unrecognised) as problem:
        return f"it is still not understood, and stays unrecognised: {problem}"
    return ""


def _summary(event: StoredEvent) -> dict[str, object]:
    return {key: value for key, value in asdict(event).items() if key != "body"}


def _document(record: EventRecord, steps: tuple[Step, ...]) -> dict[str, object]:
    document = asdict(replace(record, rules=None)) | {"trace": [asdict(step) for step in steps]}
    del document["rules"]
    body = record.event.body
    document["event"]["body"] = None if body is None else body.decode("utf-8", _SAFE)
    if body is not None and not _is_text(body):
        document["event"]["body_base64"] = b64encode(body).decode()
    return document


def _lines(record: EventRecord, steps: tuple[Step, ...], names: Mapping[str, str]) -> list[str]:
    event = record.event
    body = ["erased after the retention"] if event.body is None else _pretty(event.body)
    sent = [line for delivery in record.deliveries for line in describe(delivery, names)]
    return [
        f"event {event.id}",
        f"  {_what(event)}, {event.state}, by {event.source}",
        f"  created {local(event.at)}, received {local(event.received_at)}",
        *([f"  problem: {event.problem}"] if event.problem else []),
        "received",
        *(f"  {line}" for line in body),
        f"rules (file {record.rules_hash or '-'})",
        *([f"  {line}" for step in steps for line in step_lines(step)] or [f"  {_untraced(record)}"]),
        "deliveries",
        *([f"  {line}" for line in sent] or ["  none"]),
        "",
    ]


def _untraced(record: EventRecord) -> str:
    """Why there is nothing to say of the rules."""
    if not record.rules_hash:
        return "none tried"
    if record.event.body is None:
        return "not known any more: what they saw was erased after the retention"
    return "not known any more: the file is not kept"


def _what(event: StoredEvent) -> str:
    named = event.name or "no event"
    return f"{named} of booking {event.booking_id}" if event.booking_id else named


def _pretty(body: bytes) -> list[str]:
    """A body as JSON where it is that, else as it is; bytes that are no UTF-8 as \\xNN."""
    try:
        text = json.dumps(json.loads(body.decode()), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", _SAFE).replace("\r\n", "\n") or "nothing at all"
    return text.split("\n")


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
