"""Retention: what is personal goes, in the rows and on the disk; what identifies an event stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update

from bridge.core.reading import NotAnEvent, unreadable
from bridge.database import open_database
from bridge.retention import Retention
from bridge.store.events import Events
from bridge.store.facts import Facts
from bridge.store.people import SlackNames
from bridge.tables.delivery import booking_states, deliveries, events, rules_files, slack_users
from tests.store.conftest import NOW, Line
from tests.store.test_lanes import settled

RULES = (
    b'version: 1\nrules: [{name: all, post: {to: ["#sales", "@ana@example.com"], mention: bo@example.com}}]\n'
)


async def tell(line: Line) -> None:
    """Everything that waits."""
    while taken := await line.take():
        await line.deliveries.settle([settled(one) for one in taken], "me", line.now)


async def test_old_events_lose_what_is_personal(line: Line) -> None:
    line.rules = RULES
    old = await line.receive("created", 0)
    await line.route()
    await tell(line)
    await SlackNames(line.database).remember_user("alice@example.com", "U1", line.now)
    line.now += timedelta(days=31)
    young = await line.receive("created", 30 * 86400, id="young")
    await line.route()
    retention = Retention(line.database, timedelta(days=30), lambda: line.now)
    assert await retention.erase() > 0
    assert await retention.erase() == 0
    async with line.database.read() as connection:
        for table in (events, booking_states, deliveries, slack_users):
            rows = [dict(row._mapping) for row in await connection.execute(select(table))]
            personal = [row for row in rows if "young" not in str(row) and "@example.com" in str(row)]
            assert personal == []
        bodies = {row.id: row.body for row in await connection.execute(select(events))}
    assert bodies[old] is None
    assert bodies[young] is not None


async def test_what_was_no_event_is_erased_too(line: Line) -> None:
    """And known again by its bytes: it does not come back with them."""
    body = b"no event, but alice@example.com"
    envelope = unreadable(body, NotAnEvent("the body is not JSON"))
    await line.store(envelope, body)
    await Retention(line.database, timedelta(days=-1), lambda: line.now).erase()
    await line.store(envelope, body)
    (kept,) = await Events(line.database).list()
    assert (kept.body, kept.state) == (None, "unrecognised")


async def test_a_repeat_of_an_erased_event_is_still_known(line: Line) -> None:
    await line.receive("created", 0)
    await line.route()
    await tell(line)
    await Retention(line.database, timedelta(days=-1), lambda: line.now).erase()
    await line.receive("created", 0)
    assert len(await Events(line.database).list()) == 1
    assert not await Events(line.database).again((await Events(line.database).list())[0].id)


async def test_nothing_erased_is_left_in_the_file(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path / 'bridge.db'}")
    line = Line(database)
    for number in range(20):
        await line.receive("created", number, id=f"b{number}", note="x" * 6_000)
    await line.route()
    await tell(line)
    await Retention(database, timedelta(days=-1), lambda: line.now).erase()
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    await database.close()
    assert b"alice@example.com" not in files


async def test_looking_for_what_is_old_holds_up_nobody(line: Line) -> None:
    """Nor does it wait for who writes: only what is found is written."""
    await line.receive("created", 0)
    await line.route()
    retention = Retention(line.database, timedelta(days=30), lambda: line.now)
    async with line.database.write() as connection:
        await connection.execute(update(events).values(problem="being written"))
        assert await asyncio.wait_for(retention.erase(), 2) == 0


async def test_one_of_all_takes_a_turn(line: Line) -> None:
    facts, minute = Facts(line.database), timedelta(minutes=1)
    assert await facts.take("alerts", NOW, minute)
    assert not await facts.take("alerts", NOW + timedelta(seconds=59), minute)
    assert await facts.take("alerts", NOW + minute, minute)
    assert await facts.take("alerts", NOW - timedelta(days=1), minute)  # the clock was set back


async def test_what_was_said_last_is_not_said_again(line: Line) -> None:
    facts = Facts(line.database)
    said = [await facts.change("rules", word, NOW) for word in ("bad", "bad", "good", "bad")]
    assert said == [True, False, True, True]


async def test_a_rules_file_is_kept_while_an_event_is_told_by_it(line: Line) -> None:
    """It names people; one that is in force still is kept anew with the next event."""
    retention = Retention(line.database, timedelta(days=30), lambda: line.now)

    async def kept() -> set[str]:
        async with line.database.read() as connection:
            return set(await connection.scalars(select(rules_files.c.hash)))

    await line.receive("created", 0)
    await line.route()
    await tell(line)
    first = await kept()
    line.now += timedelta(days=20)
    line.rules = RULES
    await line.receive("created", 20 * 86400, id="later")
    await line.route()
    await tell(line)
    assert len(await kept()) == 2
    line.now += timedelta(days=11)
    await retention.erase()
    assert await kept()
    assert not await kept() & first
    line.now += timedelta(days=31)
    await retention.erase()
    assert await kept() == set()
    await line.receive("created", 62 * 86400, id="last")
    await line.route()
    await tell(line)
    assert len(await kept()) == 1


async def test_what_is_still_to_be_told_is_kept_until_it_is(line: Line) -> None:
    """The queue of a token that was refused for longer than the retention, and what is not routed yet."""
    line.rules = RULES
    await line.receive("created", 0)
    await line.route()
    line.now += timedelta(days=31)
    retention = Retention(line.database, timedelta(days=30), lambda: line.now)
    await retention.erase()
    waiting = await line.take()
    assert {one.destination for one in waiting} == {"#sales", "@ana@example.com"}
    assert all(one.body for one in waiting)
    await line.deliveries.settle([settled(one) for one in waiting], "me", line.now)
    await tell(line)
    assert await retention.erase() > 0
    (event,) = await Events(line.database).list()
    assert event.body is None
