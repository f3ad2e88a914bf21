"""`events` and `deliveries` as a person meets them, with what came in at its worst."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import sys
from base64 import b64decode
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.core.knowledge import Knowledge
from bridge.core.reading import NotAnEvent, read_envelope, unreadable
from bridge.core.rules.file import load
from bridge.database import open_database
from bridge.router import Router
from bridge.store.intake import Intake
from tests import payloads
from tests.cli.conftest import Run

BAD_BYTES = b"\xff \x1b[2J\x07 \xc2\x9b31m\r\nsecond line"


async def _store(file: Path, *bodies: bytes) -> list[str]:
    """As the receiver does; the ids."""
    database = await open_database(f"sqlite:///{file}")
    intake = Intake(database)
    storing = asyncio.create_task(intake.run())
    ids = []
    for body in bodies:
        try:
            envelope = read_envelope(body)
        except NotAnEvent as reason:
            envelope = unreadable(body, reason)
        await intake.accept(envelope, body, "1", "webhook", datetime.now(UTC))
        ids.append(envelope.id)
    storing.cancel()
    await database.close()
    return ids


@pytest.fixture
def file(tmp_path: Path, migrated_file: Path) -> Path:
    return Path(shutil.copy(migrated_file, tmp_path / "bridge.db"))


def test_what_was_no_event_is_listed(file: Path, run: Run) -> None:
    """With its state and the reason, and a dash for what it has not."""
    (kept,) = asyncio.run(_store(file, BAD_BYTES))
    status, out, _ = run("events", "list", "--state", "unrecognised")
    assert status == 0
    assert out.splitlines()[1].split()[3:] == [
        "-",
        "unrecognised",
        "-",
        kept,
        "the",
        "body",
        "is",
        "not",
        "JSON",
    ]


def test_a_body_that_is_no_text_is_shown_and_does_nothing_to_the_terminal(file: Path, run: Run) -> None:
    (kept,) = asyncio.run(_store(file, BAD_BYTES))
    status, out, _ = run("events", "show", kept)
    assert status == 0
    lines = out.splitlines()
    assert lines[1] == "  no event, unrecognised, by webhook"
    assert lines[3:7] == [
        "  problem: the body is not JSON",
        "received",
        "  \\xff \\u001b[2J\\u0007 \\u009b31m",
        "  second line",
    ]
    assert all(line.isprintable() for line in lines)


def test_its_very_bytes_can_be_had(file: Path, run: Run) -> None:
    (kept,) = asyncio.run(_store(file, BAD_BYTES))
    _, out, _ = run("events", "show", kept, "--json")
    assert all(line.isprintable() for line in out.splitlines())
    event = json.loads(out)[0]["event"]
    assert b64decode(event["body_base64"]) == BAD_BYTES
    assert event["body"].startswith("\\xff ")


def test_its_very_bytes_alone_can_be_had(file: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever checks a signature; never on a terminal, which would obey them."""
    (kept,) = asyncio.run(_store(file, BAD_BYTES))
    written = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(written))
        assert run("events", "show", kept, "--raw")[0] == 0
        assert written.getvalue() == BAD_BYTES + b"\n"
        patch.setattr(sys.stdout, "isatty", lambda: True)
        status, _, errors = run("events", "show", kept, "--raw")
    assert (status, "terminal" in errors) == (2, True)
    assert run("events", "show", kept, "--raw", "--json")[0] == 2
    assert run("events", "show", "")[0] == 2
    assert run("events", "show", "nobody's", "--raw")[0] == 1


def test_more_events_than_are_shown_are_told_of(file: Path, run: Run) -> None:
    bodies = [payloads.body(createdAt=f"2026-07-06T09:00:{second:02}Z") for second in range(22)]
    asyncio.run(_store(file, *bodies))
    status, out, errors = run("events", "show", "665f1", "--json")
    assert (status, len(json.loads(out))) == (0, 20)
    assert errors == "booking-bridge: these are 20, and there are more: `events list --booking …` lists all\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "  nothing at all"),
        (b'{"data": "\xc2\x9b31m \xe2\x80\xae"}', '    "data": "\\u009b31m \\u202e"'),
        (b'{"data": "\\ud800"}', '    "data": "\\ud800"'),
        (b"[" * 100_000, "  " + "[" * 100_000),
    ],
    ids=["empty", "controls in JSON", "half a surrogate pair", "deep"],
)
def test_odd_bodies_are_shown(file: Path, run: Run, body: bytes, said: str) -> None:
    (kept,) = asyncio.run(_store(file, body))
    status, out, _ = run("events", "show", kept)
    assert status == 0
    assert said in out.splitlines()
    assert run("events", "show", kept, "--json")[0] == 0


def test_a_replay_says_what_is_still_not_understood(file: Path, run: Run) -> None:
    """What is understood is routed again; the rest says why not, and the status tells."""
    no_event, unknown, good = asyncio.run(
        _store(file, b"{}", payloads.body(event="booking.exploded"), payloads.body())
    )
    done = run("events", "replay", "nix", no_event, good[:20], unknown, good[:20])
    assert done[:2] == (1, "1 to be routed again by the running bridge\n")
    still = "it is still not understood, and stays unrecognised: "
    assert done[2].splitlines() == [
        "booking-bridge: no events have an id that begins with 'nix'; "
        "`events list --booking nix` lists a booking's, `events show LINK` a message's",
        f"booking-bridge: event {no_event[:20]}: {still}the JSON has no 'event'",
        f"booking-bridge: event {unknown[:20]}: {still}event 'booking.exploded' is not known",
    ]
    assert run("events", "replay", good) == (0, "1 to be routed again by the running bridge\n", "")


def test_what_an_upgrade_understands_is_replayed_together(
    file: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are; and what it does not is left as it is."""
    monkeypatch.setattr("bridge.cli.events._PAGE", 1)
    unknown = [payloads.body(event=f"booking.exploded{number}") for number in range(2)]
    known, *_ = asyncio.run(_store(file, payloads.body(), *unknown))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE events SET state = 'unrecognised', problem = 'not known then'")
        connection.commit()
    said = "1 to be routed again by the running bridge\n"
    assert run("events", "replay", "--unrecognised") == (0, said, "")
    states = {one["id"]: one["state"] for one in json.loads(run("events", "list", "--json")[1])}
    assert states.pop(known) == "received"
    assert set(states.values()) == {"unrecognised"}
    assert run("events", "replay")[0] == 2
    assert run("events", "replay", known, "--unrecognised")[0] == 2


def test_a_state_that_there_is_not_is_refused(run: Run) -> None:
    """Rather than nothing found; what there is, is named."""
    for command, states in (("events", "unrecognised"), ("deliveries", "waiting")):
        status, _, err = run(command, "list", "--state", "ded")
        assert status == 2
        assert states in err


def test_a_list_that_ends_at_its_limit_says_so(file: Path, run: Run) -> None:
    """Beside the list, so that a program reads nothing else than the list."""
    asyncio.run(_store(file, *(payloads.body(data={"id": f"b{number}"}) for number in range(3))))
    said = "booking-bridge: these are the latest 2; --limit shows more\n"
    assert run("events", "list", "--limit", "2")[2] == said
    assert run("events", "list", "--limit", "4")[2] == ""


def test_a_host_is_shown_by_name(file: Path, run: Run) -> None:
    """As the rules name them, or by the id where nobody knows a name; a program gets the id."""
    people = "people: {host1: {name: Ana Lima, slack: U1}}\n"
    rule = '{name: hosts, post: {to: "@host"}}'
    rules = f"version: 1\n{people}rules: [{rule}]\n".encode()
    hosts = [{"userId": "host1"}, {"userId": "host2"}]
    (file.parent / "rules.yaml").write_bytes(rules)
    asyncio.run(_route(file, rules, payloads.body(data=payloads.DATA | {"hosts": hosts})))
    _, out, _ = run("deliveries", "list", "--booking", "665f1")
    assert [line.split("  ")[2] for line in out.splitlines() if "waiting" in line] == ["@host2", "@Ana Lima"]
    assert "@Ana Lima" in run("events", "show", "665f1")[1]
    _, out, _ = run("deliveries", "list", "--json")
    assert {one["destination"] for one in json.loads(out)} == {"host:host1", "host:host2"}
    assert run("deliveries", "list", "--booking", "665f2")[1] == "no deliveries\n"


async def _route(file: Path, rules: bytes, body: bytes) -> None:
    await _store(file, body)
    database = await open_database(f"sqlite:///{file}")
    knowledge = Knowledge(load(rules, name="rules.yaml").rules)
    await Router(database, lambda: knowledge, clock=lambda: datetime.now(UTC)).route_received()
    await database.close()
