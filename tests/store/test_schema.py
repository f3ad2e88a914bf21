"""The migrations make exactly the tables that the code uses."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, delete, insert, select, text, update

import bridge
from bridge.core.json_body import canonical
from bridge.core.reading import Envelope, NotAnEvent, read_envelope, unreadable
from bridge.database import Database
from bridge.store.backlog import Backlog
from bridge.store.events import Events
from bridge.store.history import History
from bridge.store.intake import Intake
from bridge.store.records import read_known
from bridge.store.repair import Repairs
from bridge.tables import delivery, metadata, mirror
from tests import payloads
from tests.store.conftest import NOW, Line

TABLES = (delivery.events, mirror.mirror)  # importing them fills the metadata


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_migrations_and_tables_agree(database: Database) -> None:
    """Columns and indexes alike, on both databases."""
    async with database.write() as connection:
        assert await connection.run_sync(_differences) == []


def _migrate(connection: Connection, revision: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(bridge.__file__).parent / "migrations"))
    (command.upgrade if revision == "head" else command.downgrade)(config, revision)


def _insert_as_of_0001(connection: Connection, moment: datetime) -> None:
    """A booking whose three levels changed 3, 2 and 1 times, and its host."""
    marks: dict[str, object] = {}
    for number, level in enumerate(("busy", "title", "full")):
        marks |= {f"{level}_sequence": number + 1, f"{level}_at": moment + timedelta(hours=number)}
    row: dict[str, object] = {
        "uid": "u1",
        "type_id": "t1",
        "live": True,
        "shown": True,
        "digest": "",
        "read_at": moment,
    }
    row |= {"state": "{}", "start": moment, "first_seen": moment, "closed_at": None, "revision": 1}
    connection.execute(insert(mirror.bookings).values(**row, **marks))
    hosts = Table("booking_hosts", MetaData(), autoload_with=connection)
    connection.execute(insert(hosts), [{"host_id": "h1", "uid": "u1"}, {"host_id": "h1", "uid": "erased"}])


async def test_an_upgrade_changes_no_sequence(database: Database) -> None:
    """A host's own feed goes on with the marks that it had in common with the others until 0001."""
    moment = datetime(2026, 7, 1, 9, tzinfo=UTC)
    async with database.write() as connection:
        await connection.run_sync(_migrate, "0001")
        await connection.run_sync(_insert_as_of_0001, moment)
        await connection.run_sync(_migrate, "head")
        columns = [column.name for column in mirror.booking_hosts.columns if column.name != "host_id"]
        own = (await connection.execute(select(*(mirror.booking_hosts.c[name] for name in columns)))).all()
        team = (await connection.execute(select(*(mirror.bookings.c[name] for name in columns)))).all()
        assert await connection.run_sync(_differences) == []
        before = await read_known(connection, ["u1"])
        await connection.execute(delete(mirror.booking_hosts))
        await connection.execute(insert(mirror.booking_hosts).values(host_id="h1", uid="u1"))
        assert await read_known(connection, ["u1"]) == before  # as written by a replica of 0001
    assert own == team
    assert (own[0].full_sequence, own[0].full_at) == (3, moment + timedelta(hours=2))


def _as_of_0002(envelope: Envelope, body: bytes) -> Envelope:
    """The envelope as the version of that migration made it: the id is the whole digest."""
    document = json.loads(body) if envelope.event else {}
    identity = canonical([document.get(name) for name in ("event", "createdAt", "data")])
    return envelope._replace(id=sha256(identity if envelope.event else b"unreadable " + body).hexdigest())


async def _is_new(database: Database, envelope: Envelope, body: bytes) -> bool:
    intake = Intake(database)
    running = asyncio.create_task(intake.run())
    try:
        return await intake.accept(envelope, body, "1", "webhook", NOW)
    finally:
        running.cancel()


BODIES = {
    b"no event": unreadable(b"no event", NotAnEvent("not JSON")),
    **{
        body: read_envelope(body)
        for body in (
            payloads.body(createdAt="2026-07-06T08:59:59.999999Z", data={"id": "b1"}),
            payloads.body(createdAt="2026-07-06T09:00:00.5+02:00", data={"id": "b2"}),
            payloads.body(createdAt="yesterday", data={"id": "b3"}),
            payloads.body(createdAt="1999-12-31T23:59:59Z", data={"id": "b4"}),
        )
    },
}


async def test_an_upgrade_to_ids_in_order_knows_what_it_had(line: Line) -> None:
    """Each id is what this version makes of the body; what hangs on it follows, and a repeat is one."""
    if not line.database.is_sqlite:
        async with line.database.write() as connection:
            await connection.execute(text("ALTER TABLE events DISABLE TRIGGER events_id_in_order"))
    before = {_as_of_0002(envelope, body).id for body, envelope in BODIES.items()}
    for body, envelope in BODIES.items():
        await line.store(_as_of_0002(envelope, body), body)
    await line.route()
    columns = (delivery.events.c.id, delivery.deliveries.c.event_id, delivery.booking_states.c.event_id)
    async with line.database.write() as connection:
        for revision in ("0002", "head", "0002", "head"):  # the second time finds nothing to do
            await connection.run_sync(_migrate, revision)
        events, sent, states = [(await connection.scalars(select(column))).all() for column in columns]
        assert await connection.run_sync(_differences) == []
    told = {envelope.id for envelope in BODIES.values() if not envelope.problem}
    assert set(events) == {envelope.id for envelope in BODIES.values()}
    assert set(sent) == set(states) == told
    assert len(told) == 3
    for body, envelope in BODIES.items():
        assert not await _is_new(line.database, envelope, body)
    repairs, backlog = Repairs(line.database), Backlog(line.database)
    assert not await repairs.strange(before)  # as Slack's messages call them
    assert await repairs.strange([*before, "0" * 64])
    async with line.database.write() as connection:
        await connection.execute(update(delivery.deliveries).values(channel="C1"))
    assert await backlog.holds("C1", before)
    assert not await backlog.holds("C1", ["0" * 64])
    for each in before:  # as messages and logs do
        assert len(await Events(line.database).list(ids=[each])) == 1
        for shown in (each, each[:20], each[:8]):
            assert len((await History(line.database).find(shown)).events) == 1


async def test_replicas_of_the_version_before_store_ids_in_order(line: Line) -> None:
    """PostgreSQL gives them their form while an upgrade goes on, so nothing is stored twice either way."""
    if line.database.is_sqlite:
        pytest.skip("a SQLite file has no replicas")
    for number, (body, envelope) in enumerate(BODIES.items()):
        old = _as_of_0002(envelope, body)
        first, second = (old, envelope) if number % 2 else (envelope, old)
        await line.store(first, body)
        assert not await _is_new(line.database, second, body)
    async with line.database.read() as connection:
        stored = (await connection.execute(select(delivery.events.c.id))).scalars().all()
    assert set(stored) == {envelope.id for envelope in BODIES.values()}
