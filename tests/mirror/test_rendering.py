"""An upgrade that shows bookings differently lets every revision rise once, and no other one does."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.feeds.calendar import RENDERING, View, vevent
from bridge.core.feeds.entries import Entry
from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import DETAILS, Options
from bridge.core.messages.samples import samples
from bridge.store import rendering
from bridge.store.refreshes import Refreshes
from bridge.store.rendering import keep_up
from tests.feeds.calendars import BOOKING, entry
from tests.mirror.conftest import Workshop

SHOWN = "f1dadc8dc9b37d86"
"""The digest of what was shown when `RENDERING` was last changed."""


def test_what_calendars_show_has_a_number() -> None:
    """When this fails, calendars that have a booking would not take its new form: give it a new number."""
    people = Directory([Person("665fa", "Ana", "ana@example.com")])
    types = {"665f01": BookingType("665f01", "Intro Call", color="#3366cc")}
    views = [View(Options(d), team, people, types) for d in DETAILS for team in (False, True)]
    bookings = [BOOKING, *(scene.booking for scene in samples())]
    shown = b"".join(vevent(entry(booking), view) for booking in bookings for view in views)
    digest = hashlib.sha256(RENDERING.encode() + shown).hexdigest()[:16]
    assert digest == SHOWN, "raise RENDERING in bridge/core/feeds/calendar.py, then put the new digest here"


async def test_every_revision_rises_once(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.stand_in.load(20)
    await workshop.mirror.refresh()
    await keep_up(workshop.database, workshop.clock())
    host = next(iter((await workshop.feed()).values())).booking.host_ids[0]
    feeds = (ALL, Who("host", host))
    before = [await workshop.feed(who) for who in feeds]
    workshop.clock.ahead += timedelta(seconds=5)
    assert not await keep_up(workshop.database, workshop.clock())
    assert [await workshop.feed(who) for who in feeds] == before
    monkeypatch.setattr(rendering, "RENDERING", "next")
    assert await keep_up(workshop.database, workshop.clock())
    assert not await keep_up(workshop.database, workshop.clock())
    after = [await workshop.feed(who) for who in feeds]
    for old, new in zip(before, after, strict=True):
        assert old.keys() == new.keys()
        assert all(_is_one_step(old[uid], new[uid]) for uid in old)
    assert any(after)


async def test_a_new_database_was_shown_to_nobody(workshop: Workshop) -> None:
    await Refreshes(workshop.database).prepare()
    assert not await keep_up(workshop.database, workshop.clock())


def _is_one_step(old: Entry, new: Entry) -> bool:
    marks = zip(old.marks, new.marks, strict=True)
    return all(b.sequence == a.sequence + 1 and b.at > a.at for a, b in marks) and old.booking == new.booking
