"""The demo's story: eight bookings in about 20 seconds, and what must be seen of them in the end.

It is data: who and what there is (`populate`), the steps in their order (`steps`), and the outcome
(`expected`). It knows neither rules nor the bridge; which channel a booking type belongs to is told
by `story_cast.CHANNELS`, and no-shows and declines are expected in #bookings as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.core.bookings import EVENT_KINDS
from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.copera_calendar import Envelope
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Content
from bridge.sandbox.story_cast import (
    ALICE,
    CHANNELS,
    EMI,
    HOSTS,
    MATEO,
    NOOR,
    OLGA,
    PRIYA,
    SAM,
    TYPES,
    WALT,
    WATCH,
    WATCHED,
    YUKI,
    Visit,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, `after` seconds (at pace 1) since the step before.

    hosts: the ids of those whose booking it is from now on; none when that stays as it was.
    """

    after: float
    event: str
    visit: Visit
    act: Callable[[CoperaStandIn], Envelope]
    hosts: tuple[str, ...] = ()


def steps(today: datetime) -> list[Step]:
    """Return the story in its order, about 20 seconds of it."""

    def create(after: float, visit: Visit) -> Step:
        hosts = visit.hosts or tuple(TYPES[visit.type]["hosts"])
        return Step(after, "booking.created", visit, lambda copera: _create(copera, visit, today), hosts)

    def change(after: float, event: str, visit: Visit, *details: Any, hosts: tuple[str, ...] = ()) -> Step:
        def act(copera: CoperaStandIn) -> Envelope:
            operation: Callable[..., Envelope] = getattr(copera.calendar, OPERATIONS[event])
            return operation(visit.uid, *details)

        return Step(after, event, visit, act, hosts)

    return [
        create(0.5, ALICE),
        change(2.0, "booking.confirmed", ALICE),
        create(1.5, YUKI),
        create(1.5, PRIYA),
        change(2.0, "booking.rescheduled", ALICE, ALICE.start(today) + timedelta(days=1, hours=1)),
        create(1.0, OLGA),
        change(1.5, "booking.reassigned", PRIYA, (EMI.id,), hosts=(EMI.id,)),
        create(1.0, MATEO),
        change(1.5, "booking.declined", OLGA),
        create(1.0, NOOR),
        create(1.0, SAM),
        change(1.5, "booking.no_show", NOOR),
        create(1.0, WALT),
        change(1.5, "booking.rescheduled", YUKI, YUKI.start(today) + timedelta(hours=3)),
        change(1.5, "booking.cancelled", ALICE),
    ]


OPERATIONS = {
    "booking.confirmed": "confirm",
    "booking.rescheduled": "reschedule",
    "booking.cancelled": "cancel",
    "booking.declined": "decline",
    "booking.reassigned": "reassign",
    "booking.no_show": "no_show",
}
ENDINGS = ("booking.cancelled", "booking.declined", "booking.reassigned")
"""After these a booking is no longer live in the calendar of the hosts it had."""


def _create(copera: CoperaStandIn, visit: Visit, today: datetime) -> Envelope:
    answers = enumerate(visit.answers.items(), 1)
    return copera.calendar.create(
        visit.type,
        start=visit.start(today),
        booker=visit.booker,
        pending=visit.pending,
        hosts=visit.hosts,
        uid=visit.uid,
        guests=visit.guests,
        answers=tuple(
            {"questionId": f"q{n}", "label": label, "value": value} for n, (label, value) in answers
        ),
        location=visit.location,
        zone=visit.zone,
    )


def populate(copera: CoperaStandIn, slack: SlackStandIn) -> None:
    """Add the hosts to both, the types to Copera, and the channels to Slack."""
    for host in HOSTS:
        copera.calendar.add_member(host.name, host.email, member_id=host.id, title=host.title)
        slack.add_user(host.name, host.email, host.slack_id)
    for title, kind in TYPES.items():
        copera.calendar.add_type(title, **kind)
    for channel in (*CHANNELS.values(), WATCH):
        slack.add_channel(channel).members.extend(host.slack_id for host in HOSTS)


async def play(
    copera: CoperaStandIn,
    pace: float = 1.0,
    today: datetime | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> None:
    """Let the story happen and send its webhooks, each after the one before was taken.

    pace: 1 is about 20 seconds, 0.1 ten times as fast, 0 without pauses. today: now, if not told.
    on_step: called before each step.
    """
    for step in steps(today or datetime.now(UTC)):
        await asyncio.sleep(step.after * pace)
        if on_step is not None:
            on_step(step)
        await copera.send(step.act(copera))


@dataclass(frozen=True, slots=True)
class Notice:
    """One event that a channel must hear of; `booker` is a name no other booking of the story has."""

    channel: str
    uid: str
    event: str
    booker: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be seen when the story is over.

    notices: every event in its channel, in order; with `style: card` the later ones of a booking
    and channel are edits and thread replies. shown: host id to the uids that the host's feed must
    have, not cancelled. gone: host id to the uids that it may only have as cancelled.
    """

    notices: tuple[Notice, ...]
    shown: Mapping[str, frozenset[str]]
    gone: Mapping[str, frozenset[str]]

    @property
    def cards(self) -> tuple[Notice, ...]:
        """The first notice of each booking and channel: one card each."""
        first: dict[tuple[str, str], Notice] = {}
        for notice in self.notices:
            first.setdefault((notice.channel, notice.uid), notice)
        return tuple(first.values())

    def missing(self, slack: SlackStandIn) -> list[str]:
        """Return a line for each notice that its channel does not show, told by the booker's name.

        The first notice of a booking is its card; each later one must be said in words of its own.
        """
        cards = set(self.cards)
        lines = []
        for notice in self.notices:
            about = [m for m in slack.messages(notice.channel) if mentions(m.content, notice.booker)]
            verb = EVENT_KINDS[notice.event.removeprefix("booking.")].verb
            if not about or (notice not in cards and not any(mentions(m.content, verb) for m in about)):
                lines.append(f"{notice.channel}: no message about {notice.booker} ({notice.event})")
        return lines


def mentions(content: Content, name: str) -> bool:
    """Whether a message's text, blocks or attachments hold this name."""
    shown = json.dumps([content.blocks, content.attachments], ensure_ascii=False)
    return name in content.text or name in shown


def expected(today: datetime | None = None) -> Expected:
    """Return what the whole story must lead to."""
    notices: list[Notice] = []
    hosts: dict[str, tuple[str, ...]] = {}
    shown: dict[str, set[str]] = {host.id: set() for host in HOSTS}
    gone: dict[str, set[str]] = {host.id: set() for host in HOSTS}
    for step in steps(today or datetime.now(UTC)):
        uid = step.visit.uid
        told = [CHANNELS[step.visit.type]] + ([WATCH] if step.event in WATCHED else [])
        notices += [Notice(channel, uid, step.event, step.visit.name) for channel in told]
        for host in hosts.get(uid, ()) if step.event in ENDINGS else ():
            shown[host].discard(uid)
            gone[host].add(uid)
        if step.hosts:
            hosts[uid] = step.hosts
            for host in step.hosts:
                shown[host].add(uid)
    return Expected(tuple(notices), _frozen(shown), _frozen(gone))


def _frozen(sets: Mapping[str, set[str]]) -> Mapping[str, frozenset[str]]:
    return {key: frozenset(value) for key, value in sets.items()}
