"""`booking-bridge events`: what came in and what became of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from bridge.cli.common import Json, local, opened, out, print_json, print_lines, run
from bridge.cli.deliveries import describe
from bridge.store.events import Events, StoredEvent
from bridge.store.history import EventRecord, History

commands = typer.Typer(help="What came in, and what became of it.", no_args_is_help=True)


@commands.command("list")
def list_events(
    state: Annotated[str, typer.Option(help="Only these: received, routed, superseded, unrecognised.")] = "",
    booking: Annotated[str, typer.Option(help="Only this booking's.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """The latest events, newest first."""
    run(_list(state, booking, limit, as_json))


async def _list(state: str, booking: str, limit: int, as_json: bool) -> None:
    async with opened() as database:
        found = await Events(database).list(state=state, booking_id=booking, limit=limit)
    if as_json:
        print_json([_summary(event) for event in found])
        return
    table = Table("received", "event", "state", "booking", "id", "problem", box=None)
    for event in found:
        row = (
            local(event.received_at),
            event.name,
            event.state,
            event.booking_id,
            event.id[:12],
            event.problem,
        )
        table.add_row(*row)
    out.print(table if found else "no events")


@commands.command()
def show(
    what: Annotated[str, typer.Argument(help="An event's id, a booking's id, or a link to a Slack message.")],
    as_json: Json = False,
) -> None:
    """Everything about an event: what was received, why it went where it went, each attempt."""
    raise typer.Exit(run(_show(what, as_json)))


async def _show(what: str, as_json: bool) -> int:
    async with opened() as database:
        found = await History(database).find(what)
    if as_json:
        print_json([_document(record) for record in found])
    elif not found:
        typer.echo(f"nothing is known of {what}", err=True)
    for record in found if not as_json else ():
        print_lines(_lines(record))
    return 0 if found else 1


@commands.command()
def replay(event_id: Annotated[str, typer.Argument(metavar="ID", help="An event's id.")]) -> None:
    """Route an event again with today's rules; it posts only where it has not."""
    raise typer.Exit(run(_replay(event_id)))


async def _replay(event_id: str) -> int:
    async with opened() as database:
        events = Events(database)
        found = await events.list(ids=[event_id], limit=2)
        if len(found) != 1:
            typer.echo(f"{len(found) or 'no'} events have an id that begins with {event_id}", err=True)
            return 1
        if not await events.again(found[0].id):
            typer.echo("its body was erased after the retention", err=True)
            return 1
    typer.echo("it will be routed again by the running bridge")
    return 0


def _summary(event: StoredEvent) -> dict[str, object]:
    return {key: value for key, value in asdict(event).items() if key != "body"}


def _document(record: EventRecord) -> dict[str, object]:
    document = asdict(record)
    document["event"]["body"] = (record.event.body or b"").decode("utf-8", "replace") or None
    return document


def _lines(record: EventRecord) -> list[str]:
    event = record.event
    body = _pretty(event.body) if event.body else ["  erased after the retention"]
    steps = [
        f"  {step['rule']}: " + ("matched" if step["matched"] else _missed(step)) for step in record.trace
    ]
    sent = [line for delivery in record.deliveries for line in describe(delivery)]
    return [
        f"event {event.id}",
        f"  {event.name} of booking {event.booking_id}, {event.state}, by {event.source}",
        f"  created {local(event.at)}, received {local(event.received_at)}",
        *([f"  problem: {event.problem}"] if event.problem else []),
        "received",
        *body,
        f"rules (file {record.rules_hash or '-'})",
        *(steps or ["  none tried"]),
        "deliveries",
        *([f"  {line}" for line in sent] or ["  none"]),
        "",
    ]


def _missed(step: dict[str, object] | object) -> str:
    assert isinstance(step, dict)
    if not step.get("path"):
        return "not reached"
    return f"skipped, {step['path']}: wanted {step['wanted']}, got {step['got']}"


def _pretty(body: bytes) -> list[str]:
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
    return [f"  {line}" for line in text.splitlines()]
