"""The demo's story: what it says will be there is what it makes."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.core.bookings import EVENT_KINDS
from bridge.sandbox import story
from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Content
from bridge.sandbox.story_cast import CHANNELS, HOSTS, TYPES, VISITS, WATCH

TODAY = datetime(2026, 7, 6, 9, 30, tzinfo=UTC)


async def played() -> tuple[CoperaStandIn, list[story.Step]]:
    """Play the story without pauses and without a receiver."""
    copera, steps = CoperaStandIn(), list[story.Step]()
    story.populate(copera, SlackStandIn())
    await story.play(copera, pace=0, today=TODAY, on_step=steps.append)
    return copera, steps


async def test_it_lasts_twenty_seconds_and_has_everything() -> None:
    """All events, all types and all people appear."""
    _, steps = await played()
    assert sum(step.after for step in steps) == 20
    assert {step.event for step in steps} == {"booking.created", *story.OPERATIONS}
    assert {step.visit.uid for step in steps} == {visit.uid for visit in VISITS}
    assert len(TYPES) == 3
    assert len(HOSTS) == 5


async def test_what_is_expected_is_what_happened() -> None:
    """Feeds follow from the bookings as they are in the end, whoever else once had them."""
    copera, _ = await played()
    expected = story.expected(TODAY)
    live = {host.id: set[str]() for host in HOSTS}
    for booking in copera.calendar.bookings.values():
        if booking.status not in ("CANCELLED", "DECLINED"):
            for host in booking.hosts:
                live[host].add(booking.uid)
    assert expected.shown == live
    assert all(expected.shown.values())
    over = {b.uid for b in copera.calendar.bookings.values() if b.status in ("CANCELLED", "DECLINED")}
    assert over <= set().union(*expected.gone.values())
    assert {notice.channel for notice in expected.notices} == {*CHANNELS.values(), WATCH}


async def test_what_no_channel_says_is_named() -> None:
    """One line for each card and each later event, told by the booker's name, wherever it stands."""
    slack = SlackStandIn()
    story.populate(CoperaStandIn(), slack)
    expected = story.expected(TODAY)
    assert len(expected.missing(slack)) == len(expected.notices) == 17
    for notice in expected.notices[1:]:
        verb = EVENT_KINDS[notice.event.removeprefix("booking.")].verb
        block = {"type": "section", "text": {"type": "mrkdwn", "text": f"{verb}: with {notice.booker}"}}
        if notice.event != "booking.cancelled":
            slack.workspace.store(slack.channel(notice.channel), Content("x", (block,)), "U1", "person")
    assert expected.missing(slack) == ["#sales: no message about Alice Booker (booking.cancelled)"]
