"""Feeds over weeks: what holds of every entry, whatever happens to bookings, names and the service."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import DETAILS, Options
from bridge.store.feeds import FeedStore
from bridge.store.refreshes import Refreshes
from tests.feeds.conftest import Site

pytestmark = pytest.mark.no_cover  # it takes long, and its code is covered by cases

STEPS = 25
MARKS = re.compile(rb"(?:SEQUENCE|DTSTAMP|LAST-MODIFIED):[^\r]*\r\n")
VANISHED = "an event vanished"
PAUSES = (timedelta(seconds=2), timedelta(minutes=5), timedelta(days=1, hours=7))
HAPPENINGS = (
    *("create", "create", "confirm", "cancel", "decline", "move", "hand over", "hand over"),
    *("answer", "other type", "note", "no show", "rename", "repaint", "forget"),
)
COLOURS = ("#ff0000", "#00ff00", "#0000ff", "#ff0001")  # the last is the first to calendars
OPTIONS = (*(Options(detail) for detail in DETAILS), Options("full", 15))
TYPES = ("Intro Call", "Panel interview", "Support session")


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One kind of database: what is computed does not depend on it."""
    file: Path = request.getfixturevalue("migrated_file")
    return f"sqlite:///{shutil.copy(file, tmp_path / 'bridge.db')}"


@dataclass(frozen=True)
class Seen:
    """What a calendar knows of an event."""

    content: bytes
    sequence: int
    modified: datetime
    start: datetime
    cancelled: bool


@dataclass(frozen=True)
class Answer:
    """What a calendar got: all of it, and what it read."""

    etag: str
    modified: datetime
    body: bytes
    events: Mapping[str, Seen]


@lru_cache(maxsize=1024)
def event(raw: bytes) -> tuple[str, Seen]:
    """The UID of a VEVENT, and what a calendar knows of it."""
    read: Any = Calendar.from_ical(raw)
    modified = read["LAST-MODIFIED"].dt
    assert read["DTSTAMP"].dt == modified >= read["CREATED"].dt
    cancelled = read["STATUS"] == "CANCELLED"
    return str(read["UID"]), Seen(
        MARKS.sub(b"", raw), int(read["SEQUENCE"]), modified, read["DTSTART"].dt, cancelled
    )


def events(body: bytes) -> dict[str, Seen]:
    """What a calendar knows after reading this feed, by UID."""
    parts = body.split(b"BEGIN:VEVENT\r\n")[1:]
    end = b"END:VEVENT\r\n"
    return dict(event(b"BEGIN:VEVENT\r\n" + part.partition(end)[0] + end) for part in parts)


def needless(before: Answer, now: Answer) -> list[str]:
    """What rose although it shows the same. Two changes may cancel out, so there must have been one."""
    return [
        f"{uid} rose for nothing: {old} {now.events[uid]}"
        for uid, old in before.events.items()
        if uid in now.events and now.events[uid].content == old.content and now.events[uid] != old
    ]


def compare(before: Answer, now: Answer, moment: datetime) -> list[str]:
    """What a calendar that held `before` and gets `now` would be misled by."""
    wrong = []
    if (before.etag == now.etag) != (before.body == now.body):
        wrong.append("the ETag does not tell the bodies apart")
    if before.body != now.body and now.modified <= before.modified:
        wrong.append(f"Last-Modified {before.modified} to {now.modified} for another body")
    for uid, old in before.events.items():
        new = now.events.get(uid)
        if new is None:
            if not old.cancelled and old.start > moment - timedelta(days=90):
                wrong.append(VANISHED)
            continue
        if new.sequence < old.sequence or new.modified < old.modified:
            wrong.append(f"{uid} fell: {old} {new}")
        if new.content != old.content and new.sequence <= old.sequence:
            wrong.append(f"{uid} changed, its SEQUENCE did not: {old} {new}")
        if (new.sequence > old.sequence) != (new.modified > old.modified):
            wrong.append(f"{uid} has SEQUENCE and LAST-MODIFIED that disagree: {old} {new}")
    return wrong


class World:
    """A workspace where things happen by chance, and calendars that subscribe."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.workshop = site.workshop
        self.calendar = site.workshop.stand_in.calendar
        self.draw = random.Random(seed)
        self.held: dict[tuple[str, Options], Answer] = {}

    async def subscribe(self, feeds: Iterable[Who]) -> None:
        """Make the addresses work, as `feeds url` does."""
        await Refreshes(self.workshop.database).prepare()
        await FeedStore(self.workshop.database).register(feeds, self.workshop.clock())

    async def get(self, who: Who, options: Options) -> Answer:
        """A feed as it is now."""
        self.site.feeds.invalidate()
        response, body = await self.site.get(self.site.path(who, options) + ".ics")
        assert response.status == 200
        modified = parsedate_to_datetime(response.headers["Last-Modified"])
        return Answer(response.headers["ETag"], modified, body, events(body))

    def happen(self) -> str:
        """Let something happen in Copera; what it was."""
        name = self.draw.choice(HAPPENINGS)
        uids = list(self.calendar.bookings)
        if not uids or name == "create":
            start = self.workshop.clock() + timedelta(hours=self.draw.randint(-60, 900))
            booker = {"name": f"Booker {self.draw.randint(1, 9)}", "email": "b@example.com"}
            pending = self.draw.random() < 0.4
            self.calendar.create(self.draw.choice(TYPES), start=start, booker=booker, pending=pending)
        elif name in {"rename", "repaint"}:
            self._name(name)
        else:
            self._change(name, self.draw.choice(uids))
        return name

    def _name(self, name: str) -> None:
        if name == "rename":
            member = self.draw.choice([*self.calendar.members.values()])
            self.calendar.members[member.id] = replace(member, name=f"Host {self.draw.randint(1, 4)}")
        else:
            kind = self.draw.choice([*self.calendar.types.values()])
            self.calendar.types[kind.id] = replace(kind, color=self.draw.choice(COLOURS))

    def _change(self, name: str, uid: str) -> None:
        if name == "move":
            start = self.calendar.bookings[uid].start
            self.calendar.reschedule(uid, start + timedelta(hours=self.draw.randint(-30, 30)))
        elif name == "hand over":
            members = [*self.calendar.members]
            self.calendar.reassign(
                uid, self.draw.sample(members, self.draw.choice((1, 1, 2, 3, len(members))))
            )
        elif name == "answer":
            answer = {"questionId": "q", "label": "Topic", "value": f"{self.draw.randint(1, 3)}"}
            self.calendar.change("booking.confirmed", uid, answers=(answer,))
        elif name == "other type":
            kind = self.draw.choice([*self.calendar.types.values()])
            same = replace(kind, title=self.calendar.bookings[uid].type.title)
            self.calendar.change("booking.confirmed", uid, type=self.draw.choice((kind, same)))
        elif name == "note":
            place = {"type": "MEETING_CHANNEL", "channelId": f"{self.draw.randint(1, 9)}"}
            self.calendar.change("booking.confirmed", uid, location=place)
        else:
            getattr(self.calendar, name.replace(" ", "_"))(uid)

    async def look(self, feeds: Iterable[Who], *, after_one: bool = False) -> list[str]:
        """Every calendar looks at its address, `after_one` change or several; what misled it."""
        wrong = []
        for who, options in product(feeds, OPTIONS):
            now = await self.get(who, options)
            before = self.held.get((who.key, options))
            if before is not None:
                found = compare(before, now, self.workshop.clock())
                if who.kind == "type":  # a booking that is of another type now is no longer in it
                    found = [one for one in found if one != VANISHED]
                found += needless(before, now) if after_one else []
                wrong += [f"{who.key} {options}: {one}" for one in found]
            self.held[who.key, options] = now
        return wrong


@pytest.mark.parametrize("seed", [1, 2])
async def test_calendars_are_never_misled(site: Site, seed: int) -> None:
    """Whatever changes, every feed's SEQUENCE, LAST-MODIFIED, ETag and Last-Modified tell of it."""
    world = World(site, seed)
    site.workshop.stand_in.load(3, seed=seed, days=20)
    hosts = list(world.calendar.members)[:2]
    feeds = [ALL, *(Who("host", host) for host in hosts), Who("type", next(iter(world.calendar.types)))]
    await world.subscribe(feeds)
    story: list[str] = []
    for _ in range(STEPS):
        story += [world.happen() for _ in range(world.draw.choice((0, 1, 1, 2, 5)))]
        await site.workshop.mirror.refresh()
        if world.draw.random() < 0.1:
            site.feeds._cache.clear()
            story.append("a restart")
        wrong = await world.look(feeds)
        assert not wrong, (story, wrong)
        pause = world.draw.choice(PAUSES)
        site.workshop.clock.ahead += pause
        story.append(f"{pause} later")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_sequence_rises_exactly_with_what_is_shown(site: Site, seed: int) -> None:
    """After each single change, in every feed: an event that shows the same has the same SEQUENCE."""
    world = World(site, seed)
    site.workshop.stand_in.load(4, seed=seed, days=20)
    for number in range(4):
        world.calendar.add_member(f"More {number}", f"more{number}@example.com")
    feeds = [ALL, *(Who("host", host) for host in [*world.calendar.members][:3])]
    feeds += [Who("type", kind) for kind in [*world.calendar.types][:2]]
    await world.subscribe(feeds)
    for _ in range(STEPS):
        happened = world.happen()
        await site.workshop.mirror.refresh()
        if world.draw.random() < 0.1:
            site.feeds._cache.clear()
        wrong = await world.look(feeds, after_one=True)
        assert not wrong, (happened, wrong)
        site.workshop.clock.ahead += world.draw.choice(PAUSES)
