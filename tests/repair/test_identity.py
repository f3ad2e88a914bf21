"""One key for a booking, whatever it is called: by its names, by links, by content."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.core.bookings import Booker, Booking, Event
from bridge.core.identity import Identities, Name, Register, contact
from bridge.core.repair import gist

NOW = datetime(2026, 7, 6, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOOKED = Booking(
    "x1", "", "CONFIRMED", "type1", start=NOW, end=NOW + HOUR, booker=Booker("Alice", "alice@example.com")
)
MOVED = replace(BOOKED, start=NOW + HOUR, end=NOW + 2 * HOUR)


def webhook(booking: Booking = BOOKED, at: datetime = NOW, name: str = "created") -> Event:
    return Event(f"{booking.id} {name} {at}", name, at, booking)


def repair(booking: Booking = BOOKED, at: datetime = NOW, uid: str = "u1") -> Event:
    return Event(f"{uid} {at}", "created", at, replace(booking, id=uid, uid=uid), "repair")


def again(identities: Identities, *events: Event) -> Identities:
    """What a later turn knows: the names that were kept, and the states of these events."""
    states = {identities.find(event) or "": gist(event.booking) for event in events}
    return Identities(Register(list(identities.learnt.values()), (), states))


def test_a_booking_keeps_the_name_it_was_told_under_first() -> None:
    identities = Identities(Register())
    assert identities.of(webhook()).key == "x1"
    assert identities.of(webhook(name="cancelled")).key == "x1"
    assert identities.of(webhook(replace(BOOKED, id="x2", uid="x1"))).key == "x1"


def test_a_link_joins_two_names() -> None:
    identities = Identities(Register(links=[("x1", "u1")]))
    assert identities.of(webhook()).key == "x1"
    assert identities.of(repair(MOVED)).key == "x1"
    assert {name.contact for name in identities.learnt.values()} == {""}


def test_content_joins_a_repair_and_its_late_webhook() -> None:
    """In one turn and in two; the webhook's name then belongs to the booking for good."""
    one = Identities(Register())
    assert one.of(repair()).key == "u1"
    for identities in (one, again(one, repair())):
        identity = identities.of(webhook(at=NOW - HOUR))
        assert (identity.key, identity.repaired_at, identity.told) == ("u1", NOW, False)
        assert identities.of(webhook(MOVED, NOW + HOUR, "rescheduled")).key == "u1"


def test_an_older_webhook_of_a_booking_that_moved_on_is_told_without_a_name() -> None:
    identities = Identities(Register())
    identities.of(repair(MOVED))
    older = identities.of(webhook(at=NOW - HOUR))
    assert (older.told, older.key) == (True, "x1")
    assert "x1" not in identities.learnt
    assert not identities.of(webhook(at=NOW + HOUR)).told  # the same booker, another booking


def test_a_slot_booked_again_after_a_cancellation_is_another_booking() -> None:
    identities = Identities(Register())
    identities.of(repair(replace(BOOKED, status="CANCELLED")))
    assert identities.of(webhook(at=NOW + HOUR)).key == "x1"


def test_bookings_of_one_booker_are_kept_apart() -> None:
    """Each webhook finds the repair with its times; one that has its webhook is not taken again."""
    identities = Identities(Register())
    identities.of(repair(BOOKED, uid="u1"))
    identities.of(repair(MOVED, uid="u2"))
    assert identities.of(webhook(replace(MOVED, id="x2"), NOW - HOUR)).key == "u2"
    assert identities.of(webhook(replace(BOOKED, id="x1"), NOW - HOUR)).key == "u1"
    other = webhook(replace(BOOKED, id="x3"), NOW + HOUR)
    assert identities.of(other).key == "x3"


def test_a_repair_finds_the_one_webhook_that_could_not_be_looked_up() -> None:
    """Also when the booking has moved; not when the mirror has another booking that fits it."""
    name = Name("x1", "x1", "webhook", contact(BOOKED))
    states = {"x1": gist(BOOKED)}
    assert Identities(Register([name], (), states)).find(repair(MOVED)) == "x1"
    mirrored = {contact(BOOKED): {"u0": gist(BOOKED), "u1": gist(MOVED)}}
    assert Identities(Register([name], (), states, mirrored)).find(repair(MOVED)) is None
    linked = Register([name], [("x1", "u0")], states)
    assert Identities(linked).find(repair(MOVED)) is None
    equal = {contact(BOOKED): {"x1": gist(BOOKED), "u1": gist(MOVED)}}
    assert Identities(Register([name], (), states, equal)).find(repair(BOOKED)) is None


def test_without_a_booker_nothing_is_joined_by_content() -> None:
    nobody = replace(BOOKED, booker=Booker())
    identities = Identities(Register())
    identities.of(repair(nobody))
    assert identities.of(webhook(nobody, NOW - HOUR)).key == "x1"
