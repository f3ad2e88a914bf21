"""The database: there, writable, migrated, with room; what came in last, what waits."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from bridge.database import Database, Unavailable, open_database
from bridge.database.upgrade import TooNew, found, wanted
from bridge.doctor.findings import Finding, notice, ok, problem
from bridge.settings import Settings
from bridge.store.events import Events
from bridge.store.figures import Figures

_LEAST: Final = 100 * 2**20
_SCARCE: Final = 2**30
_QUIET: Final = timedelta(days=7)
_LOOKED_AT: Final = 200


class _Undo(Exception):
    """Ends a transaction that was only a trial."""


async def examine_database(settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    """The database and what it tells; nothing is made, migrated or changed."""
    url = settings.bridge_database_url.get_secret_value()
    file = _file(url)
    if file is not None:
        yield _space(file)
        if not file.exists():
            yield _missing(file)
            return
    try:
        opened = await open_database(url, migrate=False)
    except Unavailable as reason:
        yield problem("database", str(reason), "correct BRIDGE_DATABASE_URL")
        return
    try:
        async for finding in _examine(opened, settings, now):
            yield finding
    finally:
        await opened.close()


async def _examine(database: Database, settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    try:
        async with database.read() as connection:
            revision = await connection.run_sync(found)
        if revision != wanted():
            said = (
                f"the tables are {f'at {revision}' if revision else 'missing'}, this version wants {wanted()}"
            )
            yield problem("database", said, "start this version once: `booking-bridge serve` migrates")
            return
        await _try_to_write(database)
    except TooNew as reason:
        yield problem("database", str(reason), reason.remedy)
        return
    except Unavailable as reason:
        remedy = "see that the database runs, that BRIDGE_DATABASE_URL names it and that it can be written"
        yield problem("database", f"{database.dialect}: {reason}", remedy)
        return
    yield ok("database", f"{database.dialect}, writable, migrated to {revision}")
    yield await _queue(database)
    if kept := await Events(database).unrecognised():
        said = f"{kept} received that this version does not understand"
        remedy = (
            "see `booking-bridge events list --state unrecognised`;"
            " after an upgrade, `events replay --unrecognised`"
        )
        yield notice("events", said, remedy)
    yield await _last_webhook(database, settings, now)


def _file(url: str) -> Path | None:
    """The file of a SQLite database, None for PostgreSQL and for what is no address."""
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        return None
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _space(file: Path) -> Finding:
    folder = file.absolute().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return problem(
            "disk", f"{folder}: {error.strerror}", "make the folder, or correct BRIDGE_DATABASE_URL"
        )
    said = f"{free / 2**30:.1f} GiB free at {folder}"
    if free < _LEAST:
        return problem("disk", said, "make room: without it events are refused, and lost after three tries")
    return notice("disk", said, "make room soon") if free < _SCARCE else ok("disk", said)


def _missing(file: Path) -> Finding:
    said = f"{file} is not there yet"
    if not file.absolute().parent.is_dir():
        return problem("database", said, "make its folder, or correct BRIDGE_DATABASE_URL")
    return notice("database", said, "the first `booking-bridge serve` makes it")


async def _try_to_write(database: Database) -> None:
    try:
        async with database.write() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            raise _Undo
    except _Undo:
        return


async def _queue(database: Database) -> Finding:
    queue = await Figures(database).queue()
    said = f"{queue.waiting} waiting, {queue.sending} being sent, {queue.dead} dead"
    if queue.dead:
        return notice("deliveries", said, "see `booking-bridge deliveries list --state dead`, then retry")
    return ok("deliveries", said)


async def _last_webhook(database: Database, settings: Settings, now: datetime) -> Finding:
    latest = await Events(database).list(limit=_LOOKED_AT)
    received = next((event.received_at for event in latest if event.source == "webhook"), None)
    remedy = (
        "see that the subscription in Copera is active, has all booking events"
        f" and sends to {settings.bridge_public_url}/webhooks/copera"
    )
    if received is None:
        return notice("last webhook", "none was received yet", remedy)
    said = f"received {_ago(now - received)} ago, {received:%Y-%m-%d %H:%M} UTC"
    return notice("last webhook", said, remedy) if now - received > _QUIET else ok("last webhook", said)


def _ago(span: timedelta) -> str:
    minutes = max(int(span.total_seconds() // 60), 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
