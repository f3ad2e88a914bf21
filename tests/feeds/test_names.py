"""Whom an address is asked for, what feeds are called, and which calendar fetches them."""

from __future__ import annotations

import pytest

from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.feeds.feeds import (
    ALL,
    UnknownFeed,
    Who,
    alarm_minutes,
    choose,
    client,
    default_options,
    feed_name,
    who,
)

PEOPLE = (
    Person("665fa", "Ana Lima", "ana@example.com"),
    Person("665fb", "Bo", "bo@example.com"),
    Person("665fc", "Bo", ""),
)
TYPES = (BookingType("665f01", "Intro Call", "intro-call"), BookingType("665f02", "Demo", "demo"))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("all", ALL),
        (" ALL ", ALL),
        ("665fa", Who("host", "665fa")),
        ("Ana@Example.com", Who("host", "665fa")),
        ("ana lima", Who("host", "665fa")),
        ("type:Intro Call", Who("type", "665f01")),
        ("type:intro-call", Who("type", "665f01")),
        ("TYPE: 665f02", Who("type", "665f02")),
    ],
)
def test_choose(said: str, found: Who) -> None:
    assert choose(said, PEOPLE, TYPES) == found
    assert who(found.key) == found


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("anna@example.com", "no host is called 'anna@example.com' (did you mean 'ana@example.com'?)"),
        ("bo", "several hosts are called 'bo': use the id, 665fb or 665fc"),
        ("type:intro cal", "no booking type is called 'intro cal' (did you mean 'Intro Call'?)"),
        ("", "no host is called ''"),
        ("type:", "no booking type is called ''"),
    ],
)
def test_nobody_is_called_that(said: str, words: str) -> None:
    with pytest.raises(UnknownFeed) as raised:
        choose(said, PEOPLE, TYPES)
    assert str(raised.value) == words


def test_names_and_defaults() -> None:
    people, types = Directory(PEOPLE), {kind.id: kind for kind in TYPES}
    assert feed_name(Who("host", "665fa"), people, types) == "Bookings: Ana Lima"
    assert feed_name(Who("host", "x"), people, types) == "Bookings: x"
    assert feed_name(Who("type", "665f01"), people, types) == "Bookings: Intro Call"
    assert feed_name(ALL, people, types) == "All bookings"
    assert default_options(Who("host", "x")).detail == "full"
    assert default_options(ALL).detail == default_options(Who("type", "x")).detail == "title"


@pytest.mark.parametrize(
    ("said", "minutes"), [("15m", 15), ("1h", 60), ("1h30m", 90), ("1d", 1440), (" 2H ", 120)]
)
def test_alarms(said: str, minutes: int) -> None:
    assert alarm_minutes(said) == minutes


@pytest.mark.parametrize("said", ["", "15", "0m", "14d", "-5m", "1 week", "99999m"])
def test_alarms_that_are_none(said: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as 15m"):
        alarm_minutes(said)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Google-Calendar-Importer", "Google"),
        ("iOS/17.5.1 (21F90) dataaccessd/1.0", "Apple"),
        ("macOS/14.5 (23F79) CalendarAgent/1046.4.1", "Apple"),
        ("Microsoft.Exchange/15.20", "Outlook"),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0)", "Outlook"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.0", "Thunderbird"),
        ("curl/8.5", "other"),
        ("", "other"),
    ],
)
def test_clients(agent: str, name: str) -> None:
    assert client(agent).name == name
