"""The order of a booking's events, played as a machine: whatever arrives when, the card never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.core.retry import Outcome, Verdict
from bridge.database import Database, open_database
from bridge.store.deliveries import LEASE, Delivery, Settlement
from bridge.store.delivery import Card
from tests.store.conftest import Line

BOOKINGS = ("a", "b")


class Order(RuleBasedStateMachine):
    """Events of two bookings arrive in any order; deliveries are claimed, sent, refused, abandoned, dead."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.held: list[Delivery] = []
        self.told: dict[str, list[str]] = {booking: [] for booking in BOOKINGS}
        self.shown: dict[str, str] = dict.fromkeys(BOOKINGS, "")
        self.cards: dict[str, int] = dict.fromkeys(BOOKINGS, 0)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def open(self) -> None:
        url = f"sqlite:///{Path(self.folder.name) / 'bridge.db'}"
        self.database: Database = self.run(open_database(url))
        self.line = Line(self.database)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.run(self.database.close())
        self.loop.close()
        self.folder.cleanup()

    @rule(
        booking=st.sampled_from(BOOKINGS),
        seconds=st.integers(0, 20),
        name=st.sampled_from(["created", "no_show"]),
    )
    def arrive(self, booking: str, seconds: int, name: str) -> None:
        """An event, in time or late; perhaps a repeat."""
        self.run(self.line.receive(name, seconds, id=booking))
        self.run(self.line.route())

    @rule(most=st.integers(1, 3))
    def claim(self, most: int) -> None:
        self.line.now += LEASE / 100
        self.held += self.run(self.line.take(limit=most))

    @rule(number=st.integers(0, 5), verdict=st.sampled_from(["sent", "sent", "sent", "dead", "waiting"]))
    def settle(self, number: int, verdict: str) -> None:
        """One of the claims ends: told, given up, or to be tried again."""
        if self.held:
            self._settle(self.held.pop(number % len(self.held)), verdict)

    @rule()
    def abandon(self) -> None:
        """The holder dies; its claims are taken over."""
        self.held.clear()
        self.line.now += LEASE * 2
        self.run(self.line.deliveries.recover(self.line.now))

    def _settle(self, delivery: Delivery, verdict: str) -> None:
        booking, present = delivery.booking_id, delivery.present
        assert present is not None
        card, state = None, verdict
        if verdict == "sent":
            card = delivery.card
            if card is None:
                self.cards[booking] += 1
                card = Card("C", "1", "", "all", None, "none")
            elif delivery.overtaken and card.shown > delivery.position:
                state = "skipped"
            if state == "sent":
                self.told[booking].append(delivery.position)
            card = replace(card, shown=max(card.shown, present.position))
            self.shown[booking] = card.shown
        outcome = Outcome(Verdict.SENT if verdict == "sent" else Verdict.MESSAGE, "" if card else "no_text")
        settlement = Settlement(delivery, state, self.line.now, 1, card=card, outcome=outcome)
        assert self.run(self.line.deliveries.settle([settlement], "me", self.line.now)).held

    @invariant()
    def one_holder_a_lane(self) -> None:
        lanes = [delivery.booking_id for delivery in self.held]
        assert len(lanes) == len(set(lanes))

    @invariant()
    def one_card(self) -> None:
        assert all(count <= 1 for count in self.cards.values())

    @invariant()
    def told_in_order(self) -> None:
        """What is told of a booking never goes back, and the card shows the latest that was told."""
        for booking in BOOKINGS:
            told = self.told[booking]
            assert told == sorted(told)
            assert not told or self.shown[booking] >= told[-1]


Order.TestCase.settings = settings(
    max_examples=max(8, settings().max_examples // 3),
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would open a thousand databases
    suppress_health_check=list(HealthCheck),
)
TestOrder = Order.TestCase
