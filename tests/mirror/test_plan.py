"""Plans and settlements as plain values: what a listing means, what a state told again changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.bookings import PASSED_ON, Booker, Booking, Directory, Host, Person
from bridge.core.feeds.calendar import View
from bridge.core.feeds.entries import Record
from bridge.core.hints import agrees, find
from bridge.core.refresh import (
    Changes,
    Listing,
    Suspicious,
    Trace,
    gone,
    leaves_at,
    plan_refresh,
    renamed,
    settle,
    window,
)
from bridge.core.sightings import Sighting, seen, sighting

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
START = NOW + 24 * HOUR
BOOKING = Booking(
    id="w1",
    status="CONFIRMED",
    type_id="t1",
    start=START,
    end=START + HOUR,
    hosts=(Host("ana"),),
    booker=Booker("Alice", "alice@example.com"),
)


def told(uid: str, digest: str = "same") -> Sighting:
    return Sighting(uid, digest, b"{}", NOW)


def known(count: int, **more: Trace) -> dict[str, Trace]:
    return {f"b{n}": Trace("same", True) for n in range(count)} | more


def listed(traces: dict[str, Trace], *pages: list[Sighting]) -> Listing:
    listing = Listing(traces)
    for page in pages:
        listing.add(page)
    return listing


def test_what_differs_is_taken_and_what_is_missing_is_asked_for() -> None:
    page = [told("b0"), told("b1", "other"), told("new")]
    plan = plan_refresh(listed(known(4), page))
    assert plan == Changes((told("b1", "other"), told("new")), ("b2", "b3"), 3)


@pytest.mark.parametrize(
    ("count", "seen", "reason"),
    [
        (1, [], "no bookings were listed, where 1 are known"),
        (100, [], "no bookings were listed, where 100 are known"),
        (100, ["b1", "b2", "x", "y"], "98 of 100 known bookings were not listed"),
        (8, ["b1", "b2", "b3"], "5 of 8 known bookings were not listed"),
        (9, [""], "1 bookings were listed, none with a uid"),
    ],
)
def test_what_is_suspicious(count: int, seen: list[str], reason: str) -> None:
    listing = listed(known(count), [told(uid) for uid in seen])
    assert plan_refresh(listing) == Suspicious(reason)


def test_what_is_not_expected_is_not_missing() -> None:
    """Cancelled bookings may be left out of a listing, as may those before the window."""
    traces = known(2, off=Trace("same", False))
    assert plan_refresh(listed(traces, [told("b0"), told("b1")])) == Changes((), (), 2)
    assert plan_refresh(listed({}, [])) == Changes((), (), 0)


def test_a_listing_that_shifted_misses_nothing() -> None:
    """A booking on two pages: others may have slipped through, so none counts as missing."""
    listing = listed(known(5), [told("b0"), told("b1")], [told("b1", "newer"), told("b2")])
    assert plan_refresh(listing) == Changes((told("b1", "newer"),), (), 3)


def told_of(known: Record | None, booking: Booking, now: datetime = NOW) -> Record:
    """The record after this, in a workspace that knows no names."""
    return settle(known, booking, "u1", now, View())


def test_the_first_state() -> None:
    record = told_of(None, BOOKING)
    entry = record.team
    assert (entry.uid, entry.booking.uid, entry.booking.id) == ("u1", "u1", "u1")
    assert (entry.full.sequence, entry.full.at, entry.closed_at, entry.shown) == (0, NOW, None, True)
    assert record.own == {"ana": entry}
    assert told_of(None, replace(BOOKING, status="CANCELLED")).team.closed_at == NOW
    assert not told_of(None, replace(BOOKING, status="DECLINED")).team.shown


def test_the_same_state_again() -> None:
    record = told_of(None, BOOKING)
    assert told_of(record, BOOKING, NOW + HOUR) == record
    other = told_of(record, replace(BOOKING, id="x", hosts=(Host("ana", "ORGANIZER"),)), NOW + HOUR)
    assert other.team.marks == record.team.marks


def test_revisions_never_fall_nor_stand() -> None:
    """Two changes within a second, or under a clock that went back, still have two times."""
    record = told_of(None, BOOKING)
    for turn in range(1, 4):
        record = told_of(record, replace(BOOKING, start=START + turn * HOUR), NOW - turn * HOUR)
        for entry in (record.team, record.own["ana"]):
            assert (entry.busy.sequence, entry.busy.at) == (turn, NOW + timedelta(seconds=turn))


def test_a_restored_database_is_ahead_of_calendars_with_the_next_change() -> None:
    """However many changes it has forgotten."""
    restored = seen_by_calendars = told_of(None, BOOKING)
    for turn in range(1, 9):
        moved = replace(BOOKING, start=START + turn * HOUR)
        seen_by_calendars = told_of(seen_by_calendars, moved, NOW + turn * HOUR)
    after = told_of(restored, replace(BOOKING, start=START + 9 * HOUR), NOW + 9 * HOUR)
    assert after.team.busy.sequence > seen_by_calendars.team.busy.sequence


def test_a_booking_that_a_restored_database_lacks_is_ahead_of_calendars() -> None:
    """It was first told after the copy, `seen_at`, and has the state that calendars know, or a later one."""
    copied_at, seen_at = NOW, NOW + HOUR
    seen_by_calendars = told_of(None, BOOKING, seen_at)
    for turn in range(1, 9):
        moved = replace(BOOKING, start=START + turn * HOUR)
        seen_by_calendars = told_of(seen_by_calendars, moved, seen_at + turn * HOUR)
    restored = settle(None, moved, "u1", seen_at + 9 * HOUR, View(), copied_at)
    assert restored.own["ana"].busy.sequence > seen_by_calendars.own["ana"].busy.sequence
    assert restored.team.busy.sequence > seen_by_calendars.team.busy.sequence


@pytest.mark.parametrize("pause", [timedelta(), timedelta(minutes=5), -HOUR])
def test_what_was_made_since_the_last_refresh_begins_with_nought(pause: timedelta) -> None:
    assert settle(None, BOOKING, "u1", NOW, View(), NOW - pause).team.full.sequence == 0


def test_without_a_start_the_last_one_known_stays() -> None:
    record = told_of(None, BOOKING)
    assert told_of(record, replace(BOOKING, start=None, end=None)) == record


def test_closed_and_open_again() -> None:
    """Since when a booking is off is kept, and forgotten when it takes place after all."""
    record = told_of(told_of(None, BOOKING), replace(BOOKING, status="CANCELLED"), NOW + HOUR)
    later = told_of(record, replace(BOOKING, status="CANCELLED", end=START), NOW + 2 * HOUR)
    assert later.team.closed_at == record.team.closed_at == later.own["ana"].closed_at == NOW + HOUR
    assert told_of(later, BOOKING, NOW + 3 * HOUR).team.closed_at is None
    assert gone(later, NOW + 9 * HOUR, View()) == later


def test_farewells() -> None:
    """Whoever lost it keeps the state that was theirs, cancelled; nobody sees what came after."""
    before = told_of(None, BOOKING)
    after = told_of(before, replace(BOOKING, start=START + HOUR, hosts=(Host("bo"),)), NOW + HOUR)
    ((host, left),) = after.parted.items()
    assert (host, left.booking.status, left.booking.start) == ("ana", PASSED_ON, START)
    assert left.busy.sequence > before.own["ana"].busy.sequence
    assert before.parted == told_of(before, BOOKING).parted == {}
    assert told_of(after, after.booking, NOW + 2 * HOUR) == after
    unseen = told_of(None, replace(BOOKING, status="DECLINED"))
    assert told_of(unseen, replace(BOOKING, status="DECLINED", hosts=(Host("bo"),))).parted == {}


def test_each_audience_has_marks_of_its_own() -> None:
    """A new host is news where hosts are named, in teams' feeds and in their own; not where all are busy."""
    alone = told_of(None, BOOKING)
    shared = told_of(alone, replace(BOOKING, hosts=(Host("ana"), Host("bo"))), NOW + HOUR)
    raised = [new != old for new, old in zip(shared.team.marks, alone.team.marks, strict=True)]
    own = [new != old for new, old in zip(shared.own["ana"].marks, alone.own["ana"].marks, strict=True)]
    assert (raised, own) == ([True, True, False], [True, False, False])
    back = told_of(shared, BOOKING, NOW + 2 * HOUR)
    assert back.own["ana"].busy == alone.own["ana"].busy
    again = told_of(back, shared.booking, NOW + 3 * HOUR)
    assert again.own["bo"].busy.sequence > back.own["bo"].busy.sequence > shared.own["bo"].busy.sequence


PEOPLE = Directory([Person("ana", "Ana"), Person("bo", "Bo")])
RENAMED = Directory([Person("ana", "Anna"), Person("bo", "Bo")])


@pytest.mark.parametrize(
    ("hosts", "team", "own"),
    [
        (("ana",), [True, True, False], [False, False, False]),
        (("bo",), [False, False, False], [False, False, False]),
        (("bo", "ana"), [True, True, False], [True, False, False]),
        (("bo", "c", "d", "e", "f", "ana"), [False, False, False], [False, False, False]),
    ],
)
def test_a_host_is_renamed(hosts: tuple[str, ...], team: list[bool], own: list[bool]) -> None:
    """News where the name is shown: not in the feed of the only host, nor where five of many are named."""
    record = told_of(None, replace(BOOKING, hosts=tuple(map(Host, hosts))))
    after = renamed(record, NOW + HOUR, View(people=PEOPLE), View(people=RENAMED))
    first = hosts[0]
    for old, new, rises in ((record.team, after.team, team), (record.own[first], after.own[first], own)):
        assert [mark != before for mark, before in zip(new.marks, old.marks, strict=True)] == rises


@pytest.mark.parametrize(
    ("start", "closed", "leaves"),
    [
        (datetime(2026, 7, 8, 15, tzinfo=UTC), None, datetime(2026, 10, 7, tzinfo=UTC)),
        (datetime(2026, 7, 8, 15, tzinfo=UTC), NOW, datetime(2026, 8, 1, tzinfo=UTC)),
        (datetime(2026, 4, 3, tzinfo=UTC), NOW, datetime(2026, 7, 3, tzinfo=UTC)),
        (None, None, None),
    ],
)
def test_leaving(start: datetime | None, closed: datetime | None, leaves: datetime | None) -> None:
    """At a midnight: by age as the listing's window does, or a month after it was closed."""
    entry = told_of(None, replace(BOOKING, start=start)).team
    assert leaves_at(replace(entry, closed_at=closed), 90) == leaves
    if leaves and not closed:
        assert window(leaves, 90) > (start or NOW) >= window(leaves - HOUR, 90)


OTHERS = [
    replace(BOOKING, id="u2", booker=Booker("Bob", "bob@example.com")),
    replace(BOOKING, id="u3", start=START + HOUR),
    replace(BOOKING, id="u4", type_id="t2"),
]


def test_found_by_content() -> None:
    """Type, times and the booker's address; hosts and status where several remain; else nobody."""
    mine = replace(BOOKING, id="u1", booker=Booker("ALICE", "Alice@Example.com"))
    assert find(BOOKING, [*OTHERS, mine]) == mine
    assert find(BOOKING, OTHERS) is None
    elsewhere = replace(mine, id="u5", hosts=(Host("bo"),))
    assert find(BOOKING, [elsewhere]) == elsewhere
    assert find(BOOKING, [elsewhere, mine]) == mine
    assert find(BOOKING, [replace(mine, id="u6", status="CANCELLED"), mine]) == mine
    assert find(BOOKING, [mine, replace(mine, id="u7")]) is None


def test_agreement() -> None:
    assert agrees(BOOKING, replace(BOOKING, id="u1", hosts=(Host("ana", "ORGANIZER"),)))
    for other in (replace(BOOKING, status="PENDING"), replace(BOOKING, end=None), replace(BOOKING, hosts=())):
        assert not agrees(BOOKING, other)


def test_digests() -> None:
    """Equal answers have equal digests; whatever a booking holds can be digested."""
    document = b'{"uid": 7, "x": "\\ud800"}'
    first, later = sighting(document, NOW), sighting(document, NOW + HOUR)
    other, plain, nameless = (sighting(item, NOW) for item in (document + b" ", b'{"uid": "7"}', b"{}"))
    assert first and later and other and plain and nameless  # noqa: PT018
    assert first.digest == later.digest != other.digest
    assert [one.uid for one in (first, other, plain, nameless)] == ["7", "7", "7", ""]
    assert seen(first).uid == "7"
    assert [sighting(item, NOW) for item in (b"3", b"[]", b"null", b'"x"')] == [None] * 4
