"""`booking-bridge deliveries`: where events went, and another try for what is dead."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from bridge.cli.common import (
    Json,
    Limit,
    finish,
    load_settings,
    local,
    opened,
    print_json,
    print_lines,
    run,
    tell_limit,
)
from bridge.core.rules.destinations import spoken
from bridge.database import Database
from bridge.rules_file import Unreadable, read_people
from bridge.store.gate_policy import EDITS, TOKEN, WEBHOOK, WORKSPACE, Gate
from bridge.store.gates import Gates
from bridge.store.history import DeliveryRecord, History
from bridge.store.refreshes import Refreshes


class DeliveryState(StrEnum):
    """What can be asked for with `--state`."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    DEAD = "dead"


commands = typer.Typer(help="Where events went.", no_args_is_help=True)


def add_to(application: typer.Typer) -> None:
    application.add_typer(commands, name="deliveries")


@commands.command("list")
def list_deliveries(
    state: Annotated[DeliveryState | None, typer.Option(help="Only these.")] = None,
    booking: Annotated[str, typer.Option(help="Only this booking's.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """The latest deliveries, newest first."""
    run(_list(state or "", booking, limit, as_json))


async def _list(state: str, booking: str, limit: int, as_json: bool) -> None:
    async with opened() as database:
        found = await History(database).deliveries(state=state, booking_id=booking, limit=limit)
        names, gates = await host_names(database), await Gates(database).all()
    now = datetime.now(UTC)
    waits = {delivery.id: waits_for(delivery, gates, now) for delivery in found}
    if as_json:
        print_json([asdict(delivery) | {"waits": waits[delivery.id]} for delivery in found])
        return
    print_lines(line for delivery in found for line in summary(delivery, names, waits[delivery.id]))
    if not found:
        typer.echo("no deliveries")
    tell_limit(found, limit)


@commands.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Deliveries' ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are dead or wait.")] = False,
) -> None:
    """Have dead deliveries tried again, and now those that wait for another try."""
    if bool(ids) == everything:
        raise typer.BadParameter("give ids, or --all")
    count, refused = run(_retry(list(dict.fromkeys(ids or []))))
    finish(f"{count} to be tried again by the running bridge", refused)


async def _retry(ids: list[str]) -> tuple[int, list[str]]:
    """How many are tried again, and why the others are not."""
    async with opened() as database:
        history = History(database)
        found = await history.deliveries(ids=ids, limit=len(ids)) if ids else []
        erased = await history.erased(ids) if ids else set()
        return await history.retry(ids, datetime.now(UTC)), not_retried(ids, found, erased)


def not_retried(
    ids: Iterable[str], found: Iterable[DeliveryRecord], erased: Collection[str] = ()
) -> list[str]:
    """A line for each of these ids that is not tried again; `found` are the deliveries that there are."""
    states = {delivery.id: delivery.state for delivery in found}
    lines = []
    for each in ids:
        state = states.get(each)
        if state is None:
            ways = "`booking-bridge deliveries list --state dead` shows the ids"
            lines.append(f"there is no delivery {each!r}; {ways}")
        elif state not in {"dead", "waiting"}:
            lines.append(f"delivery {each!r} is {state}; only those that are dead or wait are tried again")
        elif each in erased:
            lines.append(f"delivery {each!r} has nothing to tell: its event was erased after the retention")
    return lines


async def host_names(database: Database) -> dict[str, str]:
    """What to call hosts, by id: as the rules name them, else as Copera does. Raises Unavailable."""
    try:
        written = read_people(load_settings().bridge_rules)
    except Unreadable:
        written = ()
    told = await Refreshes(database).people()
    return {person.id: person.name for person in (*told, *written) if person.name}


def summary(delivery: DeliveryRecord, names: Mapping[str, str] | None = None, waits: str = "") -> list[str]:
    """A delivery in short, with what `events show` takes to tell all of it, and what it waits for."""
    head = f"{_head(delivery, names)}  booking {delivery.booking_id}"
    last = [] if waits else _calls(delivery)[-1:]
    return [head, *(_result(delivery) or last), *([f"  {waits}"] if waits else [])]


def waits_for(delivery: DeliveryRecord, gates: Mapping[str, Gate], now: datetime) -> str:
    """What a delivery waits for, until when; "" when it does not wait."""
    if delivery.state != "waiting":
        return ""
    is_webhook = delivery.destination.startswith(WEBHOOK)
    keys = [delivery.destination] if is_webhook else [TOKEN, WORKSPACE, delivery.destination]
    if not is_webhook and delivery.style != "post":
        keys.append(EDITS)
    shut = [gate for key in keys if (gate := gates.get(key)) and gate.is_shut(now)]
    for gate in shut:
        if gate.reason:
            until = "Slack takes the token" if gate.key == TOKEN else local(gate.open_at)
            return f"waits until {until}" + (f": {gate.reason}" if gate.reason != delivery.problem else "")
    paced = max((gate.open_at for gate in shut if gate.open_at), default=now)
    if delivery.next_at > max(now, paced):
        return f"to be tried at {local(delivery.next_at)}"
    if paced > now:
        return f"sent when its turn comes: the pace allows none before {local(paced)}"
    return "due now: sent when its turn comes"


def describe(delivery: DeliveryRecord, names: Mapping[str, str] | None = None) -> list[str]:
    """A delivery in lines: what it is and its state, its problem, each attempt."""
    return [_head(delivery, names), *_result(delivery), *_calls(delivery)]


def _head(delivery: DeliveryRecord, names: Mapping[str, str] | None) -> str:
    rule = f"by {delivery.rule}" if delivery.rule else "card brought up to date"
    place = spoken(delivery.destination, names)
    return f"{delivery.id}  {delivery.state:8} {place}  {rule}  {local(delivery.created_at)}"


def _result(delivery: DeliveryRecord) -> list[str]:
    """What is wrong with it, and which message it became."""
    where = f"  message {delivery.channel} {delivery.ts}" if delivery.ts else ""
    problem = f"  {delivery.problem}" if delivery.problem else ""
    return [line for line in (problem, where) if line]


def _calls(delivery: DeliveryRecord) -> list[str]:
    return [
        f"  {local(call.at)} {call.call}: {call.outcome}, {call.milliseconds} ms" for call in delivery.calls
    ]
