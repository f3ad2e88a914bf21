"""A card in one destination: posted once, edited to the present state, answered in its thread."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from bridge.core.retry import Verdict, problem
from bridge.courier.calls import Calls, Failed, Place
from bridge.courier.showing import Showing
from bridge.store.delivery import Card, Delivery
from bridge.store.gate_policy import REFRESH

log = structlog.get_logger()

_OVERTAKEN: Final = "superseded: the card already shows a later event"
_SHOWN: Final = "the card shows it already"


class CardWork:
    """What one delivery does about a card. `card` is the card as it is now, None when there is none."""

    def __init__(self, delivery: Delivery, calls: Calls, showing: Showing) -> None:
        self._delivery = delivery
        self._calls = calls
        self._showing = showing
        self._stale = ""
        self.card = delivery.card
        self.place = Place()

    async def deliver(self) -> tuple[str, str]:
        """Post, or edit and reply; the delivery's state and why. Raises Failed, Unreachable."""
        delivery = self._delivery
        await self._leave_strangers()
        if self.card is None:
            await self._post()
            return "sent", self._stale
        is_said = self.card.closed or not delivery.former
        if delivery.overtaken and self.card.shown > delivery.position and is_said:
            return "skipped", _OVERTAKEN
        if not await self._edit() or (self._showing.tells_news and not await self._reply()):
            await self._post()  # the card was deleted, or its channel was
        if not self._calls.made:
            return "skipped", _SHOWN
        return "sent", self._stale

    async def refresh(self) -> tuple[str, str]:
        """Bring a card up to date that this event's rules do not edit; one that is gone stays gone."""
        await self._leave_strangers()
        if self.card is None or (self.card.closed and not self._showing.is_theirs):
            return "skipped", ""
        if not await self._edit():
            self.card = None
        return ("sent", self._stale) if self._calls.made else ("skipped", _SHOWN)

    async def _leave_strangers(self) -> None:
        """Forget a card that was posted to somebody whom its destination does not mean any more."""
        card = self.card
        if card and await self._calls.is_strangers(card.channel, self._showing.directory):
            self.card = None

    async def _post(self) -> None:
        delivery, showing = self._delivery, self._showing
        message = showing.card(delivery.message, delivery.mention)
        self.place = await self._calls.post("card", message, showing.directory)
        self.card = Card(
            self.place.channel,
            self.place.ts,
            delivery.position if self.place.found else showing.shown,
            delivery.rule,
            delivery.message,
            delivery.mention,
            closed=delivery.former,
        )
        if self.place.found:  # what it shows was the present state then
            await self._bring_up_to_date()

    async def _bring_up_to_date(self) -> None:
        """Edit what an earlier attempt posted. Raises Failed; then it is to be looked up again."""
        try:
            await self._edit()
        except Failed:
            self.card = None
            raise

    async def _edit(self) -> bool:
        """Show the present state; False when the card is out of reach for good. Raises Failed."""
        card, delivery = self.card, self._delivery
        assert card is not None
        self.place = Place(card.channel, card.ts)
        current = replace(card, shown=self._showing.shown, closed=delivery.former)
        if delivery.style == "card":
            current = replace(current, rule=delivery.rule, message=delivery.message, mention=delivery.mention)
        if card.shown >= current.shown and card.closed == current.closed:
            return True
        outcome = await self._calls.edit(self.place, self._showing.card(current.message, current.mention))
        if outcome.verdict is Verdict.SENT:
            self.card = current
            return True
        if outcome.verdict is Verdict.GONE:
            return False
        if outcome.verdict is Verdict.DESTINATION and delivery.style != REFRESH:
            return False  # the channel is gone; by its name there may be another
        if outcome.verdict is not Verdict.MESSAGE:
            raise Failed(outcome)
        if delivery.former:
            self.card = replace(card, closed=True)  # its host is told in the thread, and once
        self._stale = f"the card could not be brought up to date: {problem(outcome)}"
        log.warning("card.stale", delivery=delivery.id, booking=delivery.booking_id, error=outcome.error)
        return True

    async def _reply(self) -> bool:
        """Say in the thread what changed; False when the card is not there any more. Raises Failed."""
        place = await self._calls.reply(self.place, self._showing.reply())
        if place is None:
            return False
        self.place = place
        return True
