"""One delivery to Slack: what it asks for, and what the calls make of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from bridge.core.bookings import Event
from bridge.core.knowledge import Knowledge
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.core.retry import FAILED, WAITED, Dead, Outcome, Verdict, decide, problem
from bridge.courier.addresses import Addresses, Unreachable
from bridge.courier.calls import Calls, Failed
from bridge.courier.cards import CardWork
from bridge.courier.showing import Showing
from bridge.database import Unavailable
from bridge.pacer import Pacer
from bridge.slack import Slack
from bridge.store.delivery import Delivery, Settlement
from bridge.store.gate_policy import REFRESH, WEBHOOK

log = structlog.get_logger()

_OURS: Final = {WAITED, FAILED}
"""Errors that say nothing about Slack, and so nothing about gates."""

_UNCOUNTED: Final = {Verdict.LIMITED, Verdict.TOKEN}
_BACK: Final = "superseded: the booking is theirs again"
_ERASED: Final = "the event's body was erased after the retention"


def _always() -> bool:
    return True


class Sender:
    """Sends deliveries. `fail_point` is told of every step, so that tests can stop the process there."""

    def __init__(
        self,
        slack: Slack,
        addresses: Addresses,
        knowledge: Callable[[], Knowledge],
        pacer: Pacer,
        clock: Callable[[], datetime],
        fail_point: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.slack = slack
        self.addresses = addresses
        self.knowledge = knowledge
        self.pacer = pacer
        self.clock = clock
        self.fail_point = fail_point
        self.told: Mapping[tuple[str, str], str] = {}  # found in Slack at the start: ts by delivery and part

    async def send(self, delivery: Delivery, holds: Callable[[], bool] = _always) -> Settlement:
        """Do what the delivery asks for; what became of it. Never raises, whatever happens.

        `holds` tells whether the claim still holds for as long as a call may take.
        """
        try:
            event = _event(delivery)
        except (NotAnEvent, Unrecognised, ValueError, RecursionError) as reason:
            why = _ERASED if delivery.body is None else str(reason)
            now, attempts = self.clock(), delivery.attempts
            return Settlement(delivery, "dead", now, attempts, error="no_event", problem=why)
        return await _Sending(self, delivery, event, holds).run()


def _event(delivery: Delivery) -> Event:
    """What the delivery tells. Raises NotAnEvent, Unrecognised."""
    present = delivery.present
    if delivery.body and present and present.event.id == delivery.event_id:
        return present.event  # as the router read it in the same body
    return read_event(delivery.body or b"", delivery.version, delivery.source)


class _Sending:
    """One delivery's way, and what is known at its end."""

    def __init__(self, sender: Sender, delivery: Delivery, event: Event, holds: Callable[[], bool]) -> None:
        self._sender = sender
        self._delivery = delivery
        self._calls = Calls(
            sender.slack,
            sender.addresses,
            delivery,
            pacer=sender.pacer,
            clock=sender.clock,
            fail_point=sender.fail_point,
            holds=holds,
            told=sender.told,
        )
        self._showing = Showing(delivery, event, sender.knowledge())
        self._cards = CardWork(delivery, self._calls, self._showing)

    async def run(self) -> Settlement:
        try:
            return await self._sent()
        except (Unreachable, Failed) as trouble:
            return self._failed(trouble.outcome)
        except Unavailable:
            return self._failed(Outcome(Verdict.TRANSIENT, WAITED))
        except Exception as mistake:
            log.exception("delivery.failed", delivery=self._delivery.id, booking=self._delivery.booking_id)
            return self._failed(Outcome(Verdict.UNKNOWN, FAILED, detail=type(mistake).__name__))

    async def _sent(self) -> Settlement:
        await self._showing.meet(self._sender.addresses)
        state, why = await self._deliver()
        place = self._cards.place
        return self._end(
            state,
            self._sender.clock(),
            self._delivery.attempts,
            channel=place.channel,
            ts=place.ts,
            problem=why or self._calls.refusal,
            outcome=Outcome(Verdict.SENT) if self._calls.made else None,
        )

    async def _deliver(self) -> tuple[str, str]:
        delivery = self._delivery
        if delivery.destination.startswith(WEBHOOK):
            await self._calls.post_webhook(delivery.destination.removeprefix(WEBHOOK), self._showing.post())
            return "sent", ""
        if delivery.former and self._showing.is_theirs:
            return "skipped", _BACK
        if delivery.style == "post":
            await self._cards.refresh()  # what rules posted there as a card stays true beside it
            self._calls.plain, self._calls.refusal = delivery.plain, ""  # which may have been the card's
            self._cards.place = await self._calls.post("post", self._showing.post(), self._showing.directory)
            return "sent", ""
        return await (self._cards.refresh() if delivery.style == REFRESH else self._cards.deliver())

    def _failed(self, outcome: Outcome) -> Settlement:
        """What becomes of the delivery after a call that did not send it."""
        delivery, now = self._delivery, self._sender.clock()
        counts = outcome.verdict not in _UNCOUNTED and outcome.error != WAITED
        attempts = delivery.attempts + counts
        failing_since = min(delivery.failing_since or now, now)
        jitter = random.random()  # noqa: S311 - spreads retries
        decision = decide(outcome, attempts, failing_since, now, jitter, before=delivery.error)
        dead = isinstance(decision, Dead)
        unsure_since = delivery.unsure_since
        if outcome.verdict is Verdict.UNKNOWN:
            unsure_since = unsure_since or self._calls.began() or now
        return self._end(
            "dead" if dead else "waiting",
            now if isinstance(decision, Dead) else decision.at,
            attempts,
            error=outcome.error,
            problem=decision.problem if isinstance(decision, Dead) else problem(outcome),
            failing_since=failing_since if counts else delivery.failing_since,
            unsure_since=unsure_since,  # also of a dead one: it may be tried again
            outcome=None if outcome.error in _OURS else outcome,
        )

    def _end(self, state: str, at: datetime, attempts: int, **details: Any) -> Settlement:
        """With what the calls taught: the card, the form that Slack takes, each attempt."""
        card, known = self._cards.card, self._delivery.card
        return Settlement(
            self._delivery,
            state,
            at,
            attempts,
            card=card if card != known else None,
            lost_card=card is None and known is not None,
            plain=self._calls.plain,
            calls=tuple(self._calls.made),
            learnt=self._calls.learnt,
            warning="; ".join(dict.fromkeys(self._showing.failures)),
            **details,
        )
