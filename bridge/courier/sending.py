"""One delivery to Slack: which calls, in which order, and what they make of the delivery.

A card is posted once for a booking and destination; later events edit it and add a reply in its thread.
Only an edit may be repeated blindly. A post that may have been accepted is looked up in Slack first.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.core.bookings import Booking, Event
from bridge.core.changes import is_news
from bridge.core.knowledge import Knowledge
from bridge.core.messages import Rendered, render, render_plain, render_reply
from bridge.core.reading import NotAnEvent, Unrecognised, read_event
from bridge.core.retry import Dead, Outcome, Verdict, decide
from bridge.core.scenes import Scene
from bridge.courier.addresses import Addresses, Unreachable
from bridge.slack import CallError, Purpose, Slack
from bridge.store.deliveries import Attempt, Card, Delivery, Settlement

log = structlog.get_logger()

WEBHOOK: Final = "webhook:"
REFRESH: Final = "refresh"
_SKEW: Final = timedelta(minutes=2)
"""How far Slack's clock may differ from ours when a message is looked up."""

_REPAIRED: Final = "found while catching up"
_SUPERSEDED: Final = "superseded: the card already shows a later event"


@dataclass(frozen=True, slots=True)
class Sent:
    """A settlement, and the outcome that decides about gates (None when Slack was not asked)."""

    settlement: Settlement
    outcome: Outcome | None


class Failed(Exception):
    """A call did not send; `outcome` says how."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.error)


class Sender:
    """Sends deliveries. `reach` is told of every step, so that tests can stop the process there."""

    def __init__(
        self,
        slack: Slack,
        addresses: Addresses,
        knowledge: Callable[[], Knowledge],
        clock: Callable[[], datetime],
        reach: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.slack = slack
        self.addresses = addresses
        self.knowledge = knowledge
        self.clock = clock
        self.reach = reach

    async def send(self, delivery: Delivery) -> Sent:
        """Do what the delivery asks for. Never raises for Slack's sake."""
        try:
            event = read_event(delivery.body or b"", delivery.version, delivery.source)
        except (NotAnEvent, Unrecognised) as problem:
            why = "the event's body was erased after the retention" if delivery.body is None else str(problem)
            return Sent(_settled(delivery, "dead", self.clock(), error="no_event", problem=why), None)
        return await _Sending(self, delivery, event, self.knowledge()).run()


class _Sending:
    """The calls of one delivery, and what is known after each."""

    def __init__(self, sender: Sender, delivery: Delivery, event: Event, knowledge: Knowledge) -> None:
        self._sender = sender
        self._slack = sender.slack
        self._delivery = delivery
        self._event = event
        self._rules = knowledge.rules
        self._types = knowledge.types
        self._directory = knowledge.directory
        self._mentions: Mapping[str, str] = {}
        self._card = delivery.card
        self._plain = delivery.plain
        self._unsure_since = delivery.unsure_since
        self._calls: list[Attempt] = []
        self._place = ("", "")

    async def run(self) -> Sent:
        try:
            await self._meet()
            state, why = await self._deliver()
        except Unreachable as problem:
            return self._failed(problem.outcome)
        except Failed as problem:
            return self._failed(problem.outcome)
        channel, ts = self._place
        settlement = _settled(
            self._delivery, state, self._sender.clock(), channel=channel, ts=ts, problem=why
        )
        called = Outcome(Verdict.SENT) if self._calls else None
        return Sent(self._with_calls(settlement), called)

    async def _meet(self) -> None:
        """Learn the Slack ids of those who may be mentioned."""
        hosts = {*self._event.booking.host_ids}
        for booking in (
            self._delivery.previous,
            self._delivery.present and self._delivery.present.event.booking,
        ):
            hosts |= set(booking.host_ids) if booking else set()
        addresses = self._sender.addresses
        self._directory = await addresses.with_slack(self._directory, sorted(hosts))
        mention = self._delivery.mention
        if "@" in mention and self._slack.has_token:
            self._mentions = await addresses.mentions([mention.removeprefix("@").lower()])

    async def _deliver(self) -> tuple[str, str]:
        delivery = self._delivery
        if delivery.destination.startswith(WEBHOOK):
            await self._post_webhook()
            return "sent", ""
        if delivery.style == "post":
            await self._post_once("post", self._message(self._own_scene()))
            return "sent", ""
        if delivery.style == REFRESH:
            await self._refresh()
            return ("sent" if self._calls else "skipped"), ""
        return await self._deliver_card()

    async def _deliver_card(self) -> tuple[str, str]:
        if self._card is None:
            await self._post_card()
            return "sent", ""
        if self._delivery.superseded and self._card.shown > self._delivery.position:
            return "skipped", _SUPERSEDED
        kept = await self._edit_card()
        if not kept:
            await self._post_card()
        elif self._tells_news():
            await self._reply()
        return ("sent", "") if self._calls else ("skipped", "the card shows it already")

    def _tells_news(self) -> bool:
        """Whether a reply is worth it; `confirmed` right after `created` says nothing new."""
        delivery, card = self._delivery, self._delivery.card
        shown = card is not None and card.shown >= delivery.position
        if shown and delivery.previous is None and self._event.name in {"created", "confirmed"}:
            return False
        return is_news(self._event, delivery.previous)

    async def _refresh(self) -> None:
        """Bring a card up to date that this event's rules do not name; one that is gone stays gone."""
        if self._card is not None and not self._card.closed and not await self._edit_card():
            self._card = None

    async def _post_card(self) -> None:
        delivery = self._delivery
        channel, ts = await self._post_once("card", self._message(self._card_scene()))
        self._card = Card(
            channel,
            ts,
            self._shown(),
            delivery.rule,
            delivery.message,
            delivery.mention,
            plain=self._plain,
            closed=delivery.former,
        )

    async def _edit_card(self) -> bool:
        """Show the present state; False when the card is not there any more."""
        card = self._card
        assert card is not None
        self._place = (card.channel, card.ts)
        delivery = self._delivery
        ours = delivery.style != REFRESH
        current = replace(
            card,
            shown=self._shown(),
            rule=delivery.rule if ours else card.rule,
            message=delivery.message if ours else card.message,
            mention=delivery.mention if ours else card.mention,
            closed=delivery.former,
        )
        if card.shown >= self._shown() and card.closed == delivery.former:
            return True
        scene = self._card_scene()
        message = render(scene, self._rules, message=current.message, mention=current.mention)
        outcome = await self._tried(
            "chat.update", message, lambda form: self._slack.edit(card.channel, card.ts, form)
        )
        if outcome.verdict is Verdict.GONE:
            return False
        if outcome.verdict is not Verdict.SENT:
            raise Failed(outcome)
        self._card = replace(current, plain=self._plain)
        self._sender.reach("card edited")
        return True

    async def _reply(self) -> None:
        card = self._card
        assert card is not None
        delivery = self._delivery
        message = render_reply(self._own_scene(), self._rules, mention=delivery.mention)
        purpose = self._purpose("reply")
        ts = await self._look_up(card.channel, purpose, thread_ts=card.ts)
        if ts is None:
            outcome = await self._tried(
                "chat.postMessage",
                message,
                lambda form: self._slack.post(
                    card.channel, form, purpose, thread_ts=card.ts, broadcast=delivery.broadcast
                ),
            )
            if outcome.verdict is not Verdict.SENT:
                raise Failed(outcome)
            ts = outcome.ts
        self._place = (card.channel, ts)

    async def _post_once(self, part: str, message: Rendered) -> tuple[str, str]:
        """Post unless an earlier attempt did; the message's channel and ts."""
        delivery, purpose = self._delivery, self._purpose(part)
        addresses = self._sender.addresses
        address = await addresses.address(delivery.destination, self._directory)
        if self._unsure_since is not None:
            found = await self._find_post(address, purpose)
            if found:
                self._place = found
                return found
        outcome = await self._tried(
            "chat.postMessage", message, lambda form: self._slack.post(address, form, purpose)
        )
        if outcome.error == "channel_not_found" and address.startswith("#"):
            channel = await addresses.conversation(delivery.destination, address)  # private ones need the id
            outcome = await self._tried(
                "chat.postMessage", message, lambda form: self._slack.post(channel, form, purpose)
            )
        if outcome.verdict is not Verdict.SENT:
            raise Failed(outcome)
        self._place = (outcome.channel, outcome.ts)
        self._sender.reach("accepted by slack")
        return self._place

    async def _find_post(self, address: str, purpose: Purpose) -> tuple[str, str] | None:
        try:
            channel = await self._sender.addresses.conversation(self._delivery.destination, address)
        except Unreachable as problem:
            self._cannot_look_up(problem.outcome)
            return None
        ts = await self._look_up(channel, purpose)
        return (channel, ts) if ts else None

    async def _look_up(self, channel: str, purpose: Purpose, *, thread_ts: str | None = None) -> str | None:
        """The ts of what an earlier attempt posted; None when nothing did, or when Slack will not say."""
        since = self._unsure_since
        if since is None:
            return None
        try:
            found = await self._slack.find(channel, purpose, since - _SKEW, thread_ts=thread_ts)
        except CallError as problem:
            self._cannot_look_up(problem.outcome)
            return None
        self._note("look-up", "found" if found else "not found", time.monotonic())
        return found

    def _cannot_look_up(self, outcome: Outcome) -> None:
        """Wait when the look-up may work later; else go on, and say that a repeat is possible."""
        if outcome.verdict in {Verdict.LIMITED, Verdict.TRANSIENT, Verdict.UNKNOWN}:
            raise Failed(replace(outcome, verdict=Verdict.TRANSIENT))
        log.warning(
            "delivery.sent_again_unseen",
            delivery=self._delivery.id,
            booking=self._delivery.booking_id,
            error=outcome.error,
            remedy="give the app channels:history, groups:history and im:history, and invite it",
        )

    async def _tried(self, method: str, message: Rendered, call: Callable[[Rendered], object]) -> Outcome:
        """One call, and one more as plain text when Slack refuses the blocks."""
        outcome = await self._timed(method, call, render_plain(message) if self._plain else message)
        if outcome.verdict is Verdict.BLOCKS and not self._plain:
            log.warning("delivery.blocks_refused", delivery=self._delivery.id, error=outcome.error)
            self._plain = True
            outcome = await self._timed(method, call, render_plain(message))
        if outcome.verdict is Verdict.BLOCKS:
            outcome = replace(outcome, verdict=Verdict.MESSAGE)
        return outcome

    async def _timed(self, method: str, call: Callable[[Rendered], object], form: Rendered) -> Outcome:
        begun = time.monotonic()
        outcome = await call(form)  # type: ignore[misc]
        assert isinstance(outcome, Outcome)
        self._note(method, outcome.error or "ok", begun)
        return outcome

    async def _post_webhook(self) -> None:
        name = self._delivery.destination.removeprefix(WEBHOOK)
        message = self._message(self._own_scene())
        outcome = await self._tried("webhook", message, lambda form: self._slack.post_webhook(name, form))
        if outcome.verdict is not Verdict.SENT:
            raise Failed(outcome)

    def _message(self, scene: Scene) -> Rendered:
        delivery = self._delivery
        return render(scene, self._rules, message=delivery.message, mention=delivery.mention)

    def _own_scene(self) -> Scene:
        """This event, with the booking as it was then."""
        return self._scene(self._event, self._event.booking, self._delivery.previous)

    def _card_scene(self) -> Scene:
        """The booking's present state, and the event that made it."""
        present = self._delivery.present
        if present is None or self._delivery.former:
            return self._own_scene()
        return self._scene(present.event, present.event.booking, present.previous)

    def _scene(self, event: Event, booking: Booking, previous: Booking | None) -> Scene:
        destination = self._delivery.destination
        return Scene(
            event=event,
            booking=booking,
            previous=previous,
            rule=self._delivery.rule,
            type=self._types.get(booking.type_id),
            directory=self._directory,
            former=self._delivery.former,
            host=destination.removeprefix("host:") if destination.startswith("host:") else "",
            mentions=self._mentions,
            note=_REPAIRED if event.source == "repair" else "",
        )

    def _shown(self) -> str:
        present = self._delivery.present
        return max(self._delivery.position, present.position) if present else self._delivery.position

    def _purpose(self, part: str) -> Purpose:
        delivery = self._delivery
        return Purpose(delivery.id, part, delivery.event_id, delivery.rule, delivery.rules_hash)

    def _note(self, call: str, outcome: str, begun: float) -> None:
        milliseconds = round((time.monotonic() - begun) * 1000)
        self._calls.append(Attempt(self._sender.clock(), call, outcome, milliseconds))

    def _failed(self, outcome: Outcome) -> Sent:
        """What becomes of the delivery after a call that did not send it."""
        delivery, now = self._delivery, self._sender.clock()
        counts = outcome.verdict not in {Verdict.LIMITED, Verdict.TOKEN}
        attempts = delivery.attempts + counts
        failing_since = delivery.failing_since or now
        jitter = random.random()  # noqa: S311 - spreads retries
        decision = decide(outcome, attempts, failing_since, now, jitter)
        unsure = outcome.verdict is Verdict.UNKNOWN or self._unsure_since is not None
        dead = isinstance(decision, Dead)
        settlement = _settled(
            delivery,
            "dead" if dead else "waiting",
            now if isinstance(decision, Dead) else decision.at,
            error=outcome.error,
            problem=decision.problem if isinstance(decision, Dead) else outcome.detail,
        )
        settlement = replace(
            settlement,
            attempts=attempts,
            failing_since=failing_since,
            unsure_since=(self._unsure_since or self._first_call() or now) if unsure and not dead else None,
        )
        return Sent(self._with_calls(settlement), outcome)

    def _first_call(self) -> datetime | None:
        first = self._calls[0] if self._calls else None
        return first.at - timedelta(milliseconds=first.milliseconds) if first else None

    def _with_calls(self, settlement: Settlement) -> Settlement:
        changed = self._card if self._card != self._delivery.card else None
        lost = self._card is None and self._delivery.card is not None
        return replace(settlement, card=changed, lost_card=lost, plain=self._plain, calls=tuple(self._calls))


def _settled(
    delivery: Delivery,
    state: str,
    at: datetime,
    *,
    channel: str = "",
    ts: str = "",
    error: str = "",
    problem: str = "",
) -> Settlement:
    return Settlement(
        delivery, state, at, delivery.attempts, channel=channel, ts=ts, error=error, problem=problem
    )
