"""What webhooks hint at is in the mirror within two seconds, whatever they call the booking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.feeds.entries import Entry
from bridge.mirror import hinting
from bridge.sandbox.copera_api import BOOKING, BOOKINGS
from bridge.sandbox.faults import Drop, Latency
from tests.mirror.conftest import Workshop

SOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
BOOKER = {"name": "Alice", "email": "alice@example.com"}


@pytest.fixture
async def running(workshop: Workshop) -> AsyncIterator[Workshop]:
    """A mirror that runs and has refreshed once."""
    workshop.stand_in.load(20)
    task = asyncio.create_task(workshop.mirror.run())
    await until(lambda: refreshed(workshop))
    workshop.stand_in.calls.clear()
    yield workshop
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def refreshed(workshop: Workshop) -> bool:
    return (await workshop.mirror.state()).refreshed_at is not None


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


async def shows(workshop: Workshop, uid: str, holds: Callable[[Entry], bool], seconds: float = 120) -> None:
    """Wait until the mirror shows a booking so."""

    async def look() -> bool:
        entry = (await workshop.feed()).get(uid)
        return entry is not None and holds(entry)

    await until(look, seconds)


@pytest.mark.parametrize("ids", ["different", "equal"])
async def test_a_life_of_a_booking(running: Workshop, ids: str) -> None:
    """Created, moved, reassigned and cancelled: the mirror follows, and learns what webhooks call it."""
    calendar = running.stand_in.calendar
    calendar.ids = ids  # type: ignore[assignment]
    kind = calendar.type("Support session")
    created = calendar.create(kind.id, start=SOON, booker=BOOKER, hosts=[kind.hosts[0]])
    running.hint(created)
    await shows(running, created.uid, lambda e: e.booking.start == SOON)
    running.hint(calendar.reschedule(created.uid, SOON + timedelta(days=9)))
    await shows(running, created.uid, lambda e: e.booking.start == SOON + timedelta(days=9))
    running.hint(calendar.reassign(created.uid, [kind.hosts[1]]))
    await shows(running, created.uid, lambda e: e.booking.host_ids == (kind.hosts[1],))
    running.hint(calendar.cancel(created.uid))
    await shows(running, created.uid, lambda e: e.booking.status == "CANCELLED")
    assert running.calls(BOOKINGS) == (1 if ids == "different" else 0)


async def test_a_moved_booking_whose_id_was_never_learnt(running: Workshop) -> None:
    """The first webhook of a booking is its reschedule: found by its content at the new time."""
    calendar = running.stand_in.calendar
    uid = next(b.uid for b in calendar.bookings.values() if b.status == "CONFIRMED")
    running.hint(calendar.reschedule(uid, SOON + timedelta(minutes=15)))
    await shows(running, uid, lambda e: e.booking.start == SOON + timedelta(minutes=15))


async def test_a_burst_takes_few_calls(running: Workshop) -> None:
    """Sixty webhooks about thirty bookings within a moment: folded into a handful of calls."""
    calendar = running.stand_in.calendar
    kind = calendar.type("Intro Call")
    uids = []
    for number in range(30):
        booker = {"name": f"B{number}", "email": f"b{number}@example.com"}
        created = calendar.create(
            kind.id, start=SOON + timedelta(minutes=number), booker=booker, pending=True
        )
        running.hint(created)
        running.hint(calendar.confirm(created.uid))
        uids.append(created.uid)
    for uid in uids:
        await shows(running, uid, lambda e: e.booking.status == "CONFIRMED")
    assert len(running.stand_in.calls) <= 3


async def test_many_hints_for_one_booking_take_one_look(running: Workshop) -> None:
    calendar = running.stand_in.calendar
    created = calendar.create("Intro Call", start=SOON, booker=BOOKER)
    for minute in range(20):
        running.hint(calendar.reschedule(created.uid, SOON + timedelta(minutes=minute)))
    await shows(running, created.uid, lambda e: e.booking.start == SOON + timedelta(minutes=19))
    assert len(running.stand_in.calls) <= 2


async def test_without_the_api_a_known_booking_follows_the_webhook(running: Workshop) -> None:
    """Copera is down: what is certain is applied, what is not waits; then the API is believed."""
    calendar = running.stand_in.calendar
    known = calendar.create("Intro Call", start=SOON, booker=BOOKER)
    running.hint(known)
    await shows(running, known.uid, lambda e: e.booking.start == SOON)
    running.stand_in.fault = Drop()
    unknown = calendar.create("Intro Call", start=SOON, booker={"name": "Bob", "email": "bob@example.com"})
    running.hint(unknown)
    running.hint(calendar.cancel(known.uid))
    await shows(running, known.uid, lambda e: e.booking.status == "CANCELLED")
    assert unknown.uid not in await running.feed()
    running.stand_in.fault = None
    await shows(running, unknown.uid, lambda e: e.booking.status == "CONFIRMED")


async def test_a_late_webhook_does_not_roll_back(running: Workshop) -> None:
    """Said before the API was read, heard after: the API's state stands, even while it cannot be asked."""
    calendar = running.stand_in.calendar
    created = calendar.create("Intro Call", start=SOON, booker=BOOKER)
    running.hint(created)
    await shows(running, created.uid, lambda e: True)
    old = calendar.reschedule(
        created.uid, SOON + timedelta(hours=5), at=datetime.now(UTC) - timedelta(hours=1)
    )
    calendar.reschedule(created.uid, SOON)
    running.stand_in.fault = Drop()
    running.hint(old)
    await asyncio.sleep(0.5)
    assert (await running.feed())[created.uid].booking.start == SOON


async def test_the_api_lags_behind_the_webhook(running: Workshop) -> None:
    """Asked too early the API still shows the old state: it is asked again."""
    calendar = running.stand_in.calendar
    created = calendar.create("Intro Call", start=SOON, booker=BOOKER)
    running.hint(created)
    await shows(running, created.uid, lambda e: True)
    moved = calendar.reschedule(created.uid, SOON + timedelta(hours=2))
    calendar.reschedule(created.uid, SOON)
    running.hint(moved)
    await asyncio.sleep(0.4)
    calendar.reschedule(created.uid, SOON + timedelta(hours=2))
    await shows(running, created.uid, lambda e: e.booking.start == SOON + timedelta(hours=2))


async def test_an_older_answer_changes_nothing(running: Workshop) -> None:
    """A page that was asked for before a hint was followed must not undo what the hint brought."""
    calendar = running.stand_in.calendar
    created = calendar.create("Intro Call", start=SOON, booker=BOOKER)
    running.hint(created)
    await shows(running, created.uid, lambda e: True)
    running.stand_in.fail_next(Latency(0.6), BOOKINGS)
    refresh = asyncio.create_task(running.mirror.refresh())
    await asyncio.sleep(0.2)
    running.hint(calendar.cancel(created.uid))
    await refresh
    assert (await running.feed())[created.uid].booking.status == "CANCELLED"
    assert running.calls(BOOKING) >= 1


async def test_an_api_that_shows_something_else_for_good(
    running: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API is asked again a few times, and never for everything: it is the truth, whatever was said."""
    monkeypatch.setattr(hinting, "_AGAIN", (0.01, 0.01))
    calendar = running.stand_in.calendar
    envelopes = []
    for number in range(8):
        start = SOON + timedelta(minutes=number)
        created = calendar.create("Intro Call", start=start, booker=BOOKER)
        calendar.cancel(created.uid)
        envelopes.append(created)
    asked = running.mirror._wanted
    for envelope in envelopes:
        running.hint(envelope)
    await shows(running, envelopes[-1].uid, lambda e: e.booking.status == "CANCELLED")
    await asyncio.sleep(1)
    assert not asked.is_set()
    assert len(running.stand_in.calls) <= 3 * 2


async def test_a_webhook_of_long_ago_is_looked_up_once(running: Workshop) -> None:
    """Delivered late, after the booking went on: what the API shows now is not asked for again."""
    calendar = running.stand_in.calendar
    long_ago = datetime.now(UTC) - timedelta(minutes=10)
    known = calendar.create("Intro Call", start=SOON + timedelta(hours=3), booker=BOOKER)
    running.hint(known)
    await shows(running, known.uid, lambda e: True)
    running.stand_in.calls.clear()
    running.hint(calendar.cancel(known.uid, at=long_ago))
    calendar.confirm(known.uid)
    await asyncio.sleep(1.5)
    assert len(running.stand_in.calls) == 1
