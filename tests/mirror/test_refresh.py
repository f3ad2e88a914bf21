"""A full refresh: what is listed is kept, and nothing disappears by mistake."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bridge.core.bookings import PASSED_ON, Person
from bridge.core.feeds.calendar import View
from bridge.core.feeds.feeds import Who
from bridge.core.refresh import settle
from bridge.mirror.mirror import _LEASE
from bridge.sandbox.copera_api import BOOKING, BOOKINGS, MEMBERS, TYPES
from bridge.sandbox.faults import (
    BrokenJson,
    Fault,
    Hang,
    RateLimit,
    Refuse,
    RepeatedCursor,
    ShortPage,
    Status,
)
from bridge.store.bookings import Saving
from bridge.store.facts import ACCEPT, Facts
from bridge.store.feeds import FeedStore
from bridge.store.records import Kept
from bridge.store.refreshes import Refreshes
from bridge.tables.mirror import mirror
from tests.mirror.conftest import Workshop

SOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
BOOKER = {"name": "Alice", "email": "alice@example.com"}


async def test_every_page_is_read(workshop: Workshop) -> None:
    """230 bookings on three pages: each host's feed holds exactly that host's."""
    uids = workshop.stand_in.load(230, days=60)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert (outcome.accepted, outcome.size, outcome.changed, outcome.problem) == (True, 230, 230, "")
    assert workshop.calls(BOOKINGS) == 3
    declined = {b.uid for b in workshop.stand_in.calendar.bookings.values() if b.status == "DECLINED"}
    assert set(await workshop.feed()) == set(uids) - declined
    for member in workshop.stand_in.calendar.members:
        theirs = {b.uid for b in workshop.stand_in.calendar.bookings.values() if member in b.hosts}
        assert set(await workshop.feed(Who("host", member))) == theirs - declined


async def test_an_unchanged_listing_changes_nothing(workshop: Workshop) -> None:
    """The second refresh of the same bookings finds no change, and revisions stay."""
    workshop.stand_in.load(120)
    await workshop.mirror.refresh()
    before = await workshop.feed()
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert outcome.changed == 0
    assert await workshop.feed() == before


async def test_two_refreshes_in_one_process_take_turns(workshop: Workshop) -> None:
    """The second finds all that the first read; no booking is taken in twice at the same time."""
    workshop.stand_in.load(230, days=60)
    outcomes = await asyncio.gather(workshop.mirror.refresh(), workshop.mirror.refresh())
    assert [outcome and outcome.changed for outcome in outcomes] == [230, 0]


async def test_revisions_rise_with_what_is_shown(workshop: Workshop) -> None:
    """A new answer is news for those who see everything, a new time for everybody."""
    calendar = workshop.stand_in.calendar
    workshop.stand_in.load(3)
    uid = calendar.create("Intro Call", start=SOON, booker=BOOKER).uid
    await workshop.mirror.refresh()
    calendar.change(
        "booking.confirmed", uid, answers=({"questionId": "q", "label": "Topic", "value": "New"},)
    )
    await workshop.mirror.refresh()
    first = (await workshop.feed())[uid]
    assert first.full.sequence > first.title.sequence == first.busy.sequence == 0
    calendar.reschedule(uid, SOON + timedelta(hours=1))
    await workshop.mirror.refresh()
    entry = (await workshop.feed())[uid]
    assert all(new.sequence > old.sequence for new, old in zip(entry.marks, first.marks, strict=True))
    assert entry.booking.start == SOON + timedelta(hours=1)


async def test_a_lost_host_is_told(workshop: Workshop) -> None:
    """A reassigned booking is cancelled in the old host's feed, there in the new one's, and can return."""
    workshop.stand_in.load(1)
    calendar = workshop.stand_in.calendar
    kind = calendar.type("Support session")
    old, new = kind.hosts[:2]
    uid = calendar.create(kind.id, start=SOON, booker=BOOKER, hosts=[old]).uid
    await workshop.mirror.refresh()
    calendar.reassign(uid, [new])
    await workshop.mirror.refresh()
    calendar.reschedule(uid, SOON + timedelta(hours=3))
    await workshop.mirror.refresh()
    left = (await workshop.feed(Who("host", old)))[uid]
    assert (left.booking.status, left.booking.start) == (PASSED_ON, SOON)
    assert left.busy.sequence > 0
    assert (await workshop.feed(Who("host", new)))[uid].booking.status == "CONFIRMED"
    calendar.reassign(uid, [old])
    await workshop.mirror.refresh()
    back = (await workshop.feed(Who("host", old)))[uid]
    assert back.booking.status == "CONFIRMED"
    assert back.busy.sequence > left.busy.sequence


async def test_a_declined_booking_is_shown_only_to_those_who_had_it(workshop: Workshop) -> None:
    """Declined before it was ever seen: in no feed; declined later: cancelled."""
    workshop.stand_in.load(1)
    calendar = workshop.stand_in.calendar
    kind = calendar.type("Intro Call")
    unseen = calendar.create(kind.id, start=SOON, booker=BOOKER, pending=True).uid
    calendar.decline(unseen)
    seen = calendar.create(kind.id, start=SOON, booker=BOOKER, pending=True).uid
    await workshop.mirror.refresh()
    calendar.decline(seen)
    await workshop.mirror.refresh()
    feed = await workshop.feed()
    assert unseen not in feed
    assert feed[seen].booking.status == "DECLINED"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ShortPage(keep=0), "no bookings were listed"),
        (ShortPage(keep=20), "known bookings were not listed"),
        (RepeatedCursor(), "a cursor came twice"),
        (Status(503, "busy"), "answered 503"),
        (Status(200, "<html>maintenance</html>"), "is not JSON"),
        (BrokenJson(), "is not JSON"),
        (RateLimit(1, header=False), "429"),
        (Refuse("403"), "access_bookings"),
        (Refuse("401"), "COPERA_API_TOKEN"),
    ],
)
async def test_nothing_disappears_by_mistake(workshop: Workshop, fault: Fault, said: str) -> None:
    """Whatever goes wrong with a listing, the last known state stays and the trouble is told."""
    workshop.stand_in.load(150)
    await workshop.mirror.refresh()
    before = await workshop.feed()
    workshop.stand_in.fail_next(fault, BOOKINGS, times=None)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert not outcome.accepted
    assert said in outcome.problem
    assert said in (await workshop.mirror.state()).problem
    assert "cp_pat" not in outcome.problem
    assert await workshop.feed() == before
    workshop.stand_in.clear_faults()
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert outcome.accepted
    assert (await workshop.mirror.state()).problem == ""


def _order_listing(workshop: Workshop, odd: str) -> None:
    """Have Copera list three bookings, of which one has something odd in it."""
    plain = {"status": "CONFIRMED", "start": SOON.isoformat(), "durationMinutes": 30, "hosts": [{"id": "h"}]}
    items = [json.dumps({"uid": f"u{number}", **plain}) for number in range(3)]
    items[1] = items[1].replace("{", f'{{"notes": {odd}, ', 1)
    body = f'{{"bookings": [{", ".join(items)}], "hasMore": false}}'
    workshop.stand_in.clear_faults()
    workshop.stand_in.fail_next(Status(200, body, "application/json"), BOOKINGS, times=None)


@pytest.mark.parametrize("odd", ["9" * 5000, '"\\ud800"'], ids=["5,000 digits", "half a surrogate pair"])
async def test_what_cannot_be_read_of_one_booking_stops_no_other(workshop: Workshop, odd: str) -> None:
    """The rest of it is shown, too."""
    _order_listing(workshop, odd)
    for _ in range(2):
        outcome = await workshop.mirror.refresh()
        assert outcome is not None
        assert outcome.accepted
    entries = await workshop.feed()
    assert sorted(entries) == ["u0", "u1", "u2"]
    assert {entry.booking.start for entry in entries.values()} == {SOON}


async def test_a_listing_nested_too_deep_is_not_accepted(workshop: Workshop) -> None:
    """Cutting it up, reading and writing give up at different depths, each in its own way."""
    for depth in (*range(900, 1000, 7), 3000):
        _order_listing(workshop, "[" * depth + "]" * depth)
        outcome = await workshop.mirror.refresh()
        assert outcome is not None
        assert outcome.accepted or "not JSON" in outcome.problem


async def test_an_admin_says_that_many_are_gone(workshop: Workshop) -> None:
    """Then each is asked for, and only what Copera answers with 404 goes; a later fault is a fault again."""
    workshop.stand_in.load(40)
    await workshop.mirror.refresh()
    before = await workshop.feed()
    gone = [uid for uid, entry in before.items() if entry.booking.status == "CONFIRMED"][:30]
    for uid in gone:
        workshop.stand_in.calendar.forget(uid)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert outcome.problem.endswith("if they are gone from Copera indeed: booking-bridge feeds accept")
    facts = Facts(workshop.database)
    await facts.change(ACCEPT, "", workshop.clock())
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert (outcome.accepted, outcome.removed) == (True, len(gone))
    await workshop.mirror.refresh()
    assert not await facts.is_set(ACCEPT)
    workshop.stand_in.fail_next(ShortPage(keep=0), BOOKINGS, times=None)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert not outcome.accepted


async def test_only_the_last_page_fails(workshop: Workshop) -> None:
    """A listing that breaks off after two good pages is not used at all."""
    workshop.stand_in.load(250)
    await workshop.mirror.refresh()
    before = await workshop.feed()
    uid = next(iter(before))
    workshop.stand_in.calendar.cancel(uid)
    workshop.stand_in.fail_next(Status(500), BOOKINGS, times=None, match=lambda args: "cursor" in args)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert not outcome.accepted
    assert await workshop.feed() == before


async def test_a_booking_that_exists_no_more(workshop: Workshop) -> None:
    """Not listed and answered with 404: cancelled in the feed. Not listed by a slip: it stays."""
    workshop.stand_in.load(20, days=20)
    calendar = workshop.stand_in.calendar
    kind = calendar.type("Intro Call")
    gone, slipped = (calendar.create(kind.id, start=SOON, booker=BOOKER).uid for _ in range(2))
    await workshop.mirror.refresh()
    calendar.forget(gone)
    await workshop.mirror.refresh()
    feed = await workshop.feed()
    assert feed[gone].booking.status == "CANCELLED"
    assert feed[gone].full.sequence > 0
    assert (feed[slipped].booking.status, feed[slipped].full.sequence) == ("CONFIRMED", 0)
    assert workshop.calls(BOOKING) == 1


async def test_a_missing_booking_that_cannot_be_asked_for(workshop: Workshop) -> None:
    """It stays, and what the listing told is used all the same."""
    calendar = workshop.stand_in.calendar
    calendar.add_type("Call", "SOLO", [calendar.add_member("Ana", "ana@example.com").id])
    missing, moved = (calendar.create("Call", start=SOON, booker=BOOKER).uid for _ in range(2))
    await workshop.mirror.refresh()
    calendar.forget(missing)
    calendar.reschedule(moved, SOON + timedelta(hours=1))
    workshop.stand_in.fail_next(Refuse("403"), BOOKING, times=None)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert (outcome.accepted, outcome.changed, outcome.removed) == (True, 1, 0)
    assert "could not be asked for: Copera answered 403" in outcome.problem
    assert (await workshop.mirror.state()).problem == outcome.problem
    feed = await workshop.feed()
    assert feed[missing].booking.status == "CONFIRMED"
    assert feed[moved].full.sequence > 0


async def test_names_that_cannot_be_read_stop_nothing(workshop: Workshop) -> None:
    """Members closed, types in trouble: bookings are read all the same."""
    workshop.stand_in.load(20)
    workshop.stand_in.fail_next(Refuse("403"), MEMBERS)
    workshop.stand_in.fail_next(Status(500), TYPES, times=None)
    outcome = await workshop.mirror.refresh()
    assert outcome is not None
    assert outcome.accepted
    assert "/booking-types" in outcome.problem


async def test_names_change_what_shows_them(workshop: Workshop) -> None:
    """A host who is called differently is a change for those who see titles, none for others."""
    workshop.stand_in.load(10)
    calendar = workshop.stand_in.calendar
    await workshop.mirror.refresh()
    host = next(iter(calendar.members))
    before = await workshop.feed(Who("host", host))
    others = {uid: e for uid, e in (await workshop.feed()).items() if host not in e.booking.host_ids}
    workshop.people.append(Person(host, "Named in the rules"))
    calendar.members.clear()
    await workshop.mirror.refresh()
    people = {person.id: person.name for person in await Refreshes(workshop.database).people()}
    assert people[host] != "Named in the rules"  # the directory's name comes first and stays known
    workshop.people.append(Person("h9", "Somebody new"))
    await workshop.mirror.refresh()
    assert await workshop.feed(Who("host", host)) == before
    everything = await workshop.feed()
    assert {uid: everything[uid] for uid in others} == others


async def test_one_replica_refreshes_at_a_time(workshop: Workshop) -> None:
    """While one refreshes, the other leaves it alone; and soon after there is nothing to do."""
    workshop.stand_in.load(10)
    other = workshop.another()
    refreshes = Refreshes(workshop.database)
    await refreshes.prepare()
    assert await refreshes.lease("somebody else", workshop.clock(), timedelta(seconds=60))
    assert await workshop.mirror.refresh() is None
    workshop.clock.ahead += timedelta(seconds=61)
    assert await workshop.mirror.refresh() is not None
    assert await other.refresh(if_due=True) is None
    workshop.clock.ahead += timedelta(seconds=300)
    assert await other.refresh(if_due=True) is not None


async def test_who_refreshes_slowly_keeps_the_others_away(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long Copera takes for a page; who died, which nobody can see, only for a short while."""
    monkeypatch.setattr("bridge.mirror.mirror._BEAT", 0.02)
    workshop.stand_in.load(10)
    workshop.stand_in.fail_next(Hang(60), BOOKINGS)
    other = workshop.another()
    slow = asyncio.create_task(workshop.mirror.refresh())
    await held_beyond(workshop, workshop.clock())
    for _ in range(3):
        workshop.clock.ahead += timedelta(seconds=14)
        await held_beyond(workshop, workshop.clock() + timedelta(seconds=10))
        assert await other.refresh() is None
    slow.cancel()
    await asyncio.wait([slow])
    assert (await other.refresh()) is not None
    assert await Refreshes(workshop.database).lease("dead", workshop.clock(), _LEASE)
    assert await other.refresh() is None
    workshop.clock.ahead += timedelta(seconds=20)
    assert await other.refresh() is not None


async def held_beyond(workshop: Workshop, moment: datetime) -> None:
    """Wait until somebody may refresh until after then."""
    async with asyncio.timeout(120):
        while True:
            async with workshop.database.read() as connection:
                until = await connection.scalar(select(mirror.c.lease_until))
            if until is not None and until > moment:
                return
            await asyncio.sleep(0.01)


async def test_looking_whether_a_refresh_is_due_writes_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every replica looks every few seconds."""
    await workshop.mirror.refresh()
    monkeypatch.setattr(workshop.database, "write", None)
    assert await workshop.another().refresh(if_due=True) is None


async def test_hosts_and_types_get_feeds(workshop: Workshop) -> None:
    """Whoever hosts a booking has an address, and every type that is booked."""
    workshop.stand_in.load(100)
    await workshop.mirror.refresh()
    kinds = {who.kind for who in await FeedStore(workshop.database).generations()}
    assert kinds == {"host", "type", "all"}


async def test_what_left_the_window_is_forgotten(workshop: Workshop) -> None:
    """Bookings older than the window are erased, the rest stays."""
    workshop.stand_in.load(50, days=80)
    await workshop.mirror.refresh()
    count = len(await workshop.bookings.traces(SOON))
    workshop.clock.ahead = timedelta(days=60)
    await workshop.mirror.refresh()
    assert 0 < len(await workshop.bookings.traces(SOON)) < count


async def test_what_a_restored_copy_does_not_hold_is_ahead_of_calendars(workshop: Workshop) -> None:
    """A booking made after the copy was published and changed by the bridge before; others begin with 0."""
    calendar = workshop.stand_in.calendar
    workshop.stand_in.load(10)
    await workshop.mirror.refresh()
    workshop.clock.ahead += timedelta(minutes=30)
    ordinary = calendar.create("Intro Call", start=SOON, booker=BOOKER).uid
    await workshop.mirror.refresh()
    workshop.clock.ahead += timedelta(days=3)
    lost = calendar.create("Intro Call", start=SOON, booker=BOOKER).uid
    await workshop.mirror.refresh()
    feed = await workshop.feed()
    assert {mark.sequence for mark in feed[ordinary].marks} == {0}
    assert all(mark.sequence >= 3 * 86_400 for mark in feed[lost].marks)
    assert {mark.sequence for uid in feed if uid != lost for mark in feed[uid].marks} == {0}


async def test_what_copera_no_longer_has_is_forgotten(workshop: Workshop) -> None:
    """Called off and gone, or without a time and gone: erased when no feed shows it, though it lies ahead."""
    calendar = workshop.stand_in.calendar
    calendar.add_type("Call", "SOLO", [calendar.add_member("Ana", "ana@example.com").id])
    ahead = SOON + timedelta(days=300)
    gone, cancelled, stays = (calendar.create("Call", start=ahead, booker=BOOKER).uid for _ in range(3))
    await workshop.mirror.refresh()
    [one] = [e for e in (await workshop.feed()).values() if e.uid == stays]
    timeless = settle(None, replace(one.booking, start=None, end=None), "timeless", workshop.clock(), View())

    def decide(known: object, names: object, refreshed_at: object) -> list[Saving]:
        return [Saving(Kept(timeless, "", workshop.clock()))]

    await workshop.bookings.change(["timeless"], decide)
    calendar.forget(gone)
    calendar.cancel(cancelled)
    await workshop.mirror.refresh()
    assert set(await workshop.bookings.traces(SOON)) == {gone, cancelled, stays}
    assert (await workshop.feed())[gone].booking.status == "CANCELLED"
    workshop.clock.ahead = timedelta(days=33)
    await workshop.mirror.refresh()
    assert set(await workshop.bookings.traces(SOON)) == {cancelled, stays}
