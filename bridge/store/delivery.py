"""A delivery as the courier works on it, and what becomes of it: values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.core.bookings import Booking
from bridge.core.retry import Outcome
from bridge.store.gate_policy import Gate
from bridge.store.people import SlackPlace
from bridge.store.routing import KnownState


@dataclass(frozen=True, slots=True)
class Card:
    """The message in Slack that shows one booking in one destination."""

    channel: str
    ts: str
    shown: str  # position of the event it shows
    rule: str
    message: str | None
    mention: str
    closed: bool = False  # its host lost the booking


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery with all that sending it needs. Times are aware UTC.

    `unsure_since` is when a call began whose outcome is not known; `overtaken` says that a later event
    of the booking has been told there; `error` is that of the attempt before; `probes` are the gates that it
    was let through to test.
    """

    seq: int
    id: str
    event_id: str
    booking_id: str
    destination: str
    position: str
    rule: str
    rules_hash: str
    message: str | None
    mention: str
    style: str
    broadcast: bool
    former: bool
    attempts: int
    error: str
    failing_since: datetime | None
    unsure_since: datetime | None
    plain: bool
    claimed_at: datetime
    received_at: datetime
    body: bytes | None
    version: str
    source: str
    overtaken: bool
    previous: Booking | None
    present: KnownState | None
    card: Card | None
    probes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed; `more` says that other deliveries wait, `due` when some of them may be sent
    (aware UTC), None when only a settlement or something new can change that."""

    deliveries: list[Delivery]
    due: datetime | None
    more: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call for a delivery: `outcome` is ok or Slack's error."""

    at: datetime
    call: str
    outcome: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a claimed delivery: its new state, what is remembered, what was called.

    `outcome` is what the last call means for gates, None when Slack was not asked. `card` is the card as
    it is now, None leaves it as it is. `learnt` is the conversation that its destination turned out to
    be, None when that is no news. `warning` is what people should know though it was sent.
    """

    delivery: Delivery
    state: str  # sent, skipped, dead, waiting
    next_at: datetime
    attempts: int
    channel: str = ""
    ts: str = ""
    error: str = ""
    problem: str = ""
    failing_since: datetime | None = None
    unsure_since: datetime | None = None
    plain: bool = False
    card: Card | None = None
    lost_card: bool = False
    calls: tuple[Attempt, ...] = ()
    learnt: SlackPlace | None = None
    outcome: Outcome | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """How many deliveries to a destination are dead since they waited for it as long as it is tried."""

    destination: str
    problem: str
    count: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling did: the settlements that held, those whose claim was lost, the gates it shut, and what
    waited there for too long."""

    held: tuple[Settlement, ...]
    lost: tuple[Settlement, ...]
    shut: tuple[Gate, ...]
    given_up: tuple[GivenUp, ...] = ()
