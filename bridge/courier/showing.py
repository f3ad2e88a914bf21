"""What one delivery shows: its own event, or the booking's present state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bridge.core.bookings import Booking, Event
from bridge.core.changes import is_news
from bridge.core.knowledge import Knowledge
from bridge.core.messages.messages import Rendered, render, render_reply
from bridge.core.messages.scenes import Scene
from bridge.courier.addresses import Addresses
from bridge.store.delivery import Delivery

_REPAIRED: Final = "found while catching up"
_LATE: Final = "arrived late: the booking has changed since"
_HOST: Final = "host:"
_REPEATABLE: Final = frozenset({"created", "confirmed"})


class Showing:
    """The messages of one delivery. `failures` says which of the rules' messages could not be made."""

    def __init__(self, delivery: Delivery, event: Event, knowledge: Knowledge) -> None:
        self._delivery = delivery
        self._event = event
        self._knowledge = knowledge
        self._mentions: Mapping[str, str] = {}
        self.directory = knowledge.directory
        self.failures: list[str] = []

    async def meet(self, addresses: Addresses) -> None:
        """Learn the Slack ids of those who may be mentioned, as far as they can be had quickly."""
        present = self._delivery.present
        bookings = (self._event.booking, self._delivery.previous, present and present.event.booking)
        hosts = {host for booking in bookings if booking for host in booking.host_ids}
        self.directory = await addresses.with_slack(self.directory, sorted(hosts))
        card = self._delivery.card
        mentions = {self._delivery.mention, card.mention if card else ""}
        if emails := sorted(each.removeprefix("@").lower() for each in mentions if "@" in each):
            self._mentions = await addresses.mentions(emails)

    def post(self) -> Rendered:
        """This event, with the booking as it was then; one that was overtaken says so."""
        scene = replace(self._own(), note=_LATE) if self._delivery.overtaken else self._own()
        return self._message(scene, self._delivery.message, self._delivery.mention)

    def card(self, message: str | None, mention: str) -> Rendered:
        """The booking's present state, and the event that made it; a former host's says farewell."""
        present, card = self._delivery.present, self._delivery.card
        scene = self._own()
        if present and not self._delivery.former:
            scene = self._scene(present.event, present.event.booking, present.previous)
        if card and self._delivery.style != "card":  # whose rule it is not
            scene = replace(scene, rule=card.rule)
        return self._message(scene, message, mention)

    def reply(self) -> Rendered:
        """What this event changed."""
        return render_reply(self._own(), self._knowledge.rules, mention=self._delivery.mention)

    @property
    def is_theirs(self) -> bool:
        """Whether the host to whom this goes has the booking now; false when that is not known."""
        present, destination = self._delivery.present, self._delivery.destination
        host = destination.removeprefix(_HOST) if destination.startswith(_HOST) else ""
        return bool(present and host in present.event.booking.host_ids)

    @property
    def shown(self) -> str:
        """The position of the event that the card shows."""
        delivery = self._delivery
        return max(delivery.position, delivery.present.position if delivery.present else "")

    @property
    def tells_news(self) -> bool:
        """Whether a reply is worth it; `confirmed` right after `created` says nothing new."""
        delivery, card = self._delivery, self._delivery.card
        shown = card is not None and card.shown >= delivery.position
        if shown and delivery.previous is None and self._event.name in _REPEATABLE:
            return False
        return is_news(self._event, delivery.previous)

    def _message(self, scene: Scene, message: str | None, mention: str) -> Rendered:
        rendered = render(scene, self._knowledge.rules, message=message, mention=mention)
        if rendered.problem:
            self.failures.append(rendered.problem)
        return rendered

    def _own(self) -> Scene:
        return self._scene(self._event, self._event.booking, self._delivery.previous)

    def _scene(self, event: Event, booking: Booking, previous: Booking | None) -> Scene:
        destination = self._delivery.destination
        return Scene(
            event=event,
            booking=booking,
            previous=previous,
            rule=self._delivery.rule,
            type=self._knowledge.types.get(booking.type_id),
            directory=self.directory,
            former=self._delivery.former,
            host=destination.removeprefix(_HOST) if destination.startswith(_HOST) else "",
            mentions=self._mentions,
            note=_REPAIRED if event.source == "repair" else "",
        )
