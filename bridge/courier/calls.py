"""The calls to Slack for one delivery: each is noted, and none is made that could say something twice.

Only an edit may be repeated blindly. A post that may have been accepted before is looked up first, by the
message metadata it carries; without the permission to look, it is sent again and the log says so. An
incoming webhook offers no look-up at all.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.core.bookings import Directory
from bridge.core.messages.messages import Rendered, render_plain
from bridge.core.retry import WAITED, Outcome, Verdict, problem
from bridge.core.slack_values import Purpose
from bridge.courier.addresses import Addresses, Unreachable
from bridge.fencing import fenced
from bridge.pacer import Pacer
from bridge.slack import TOO_LONG, CallError, Slack
from bridge.store.delivery import Attempt, Delivery
from bridge.store.people import SlackPlace

log = structlog.get_logger()

_SKEW: Final = timedelta(hours=1)
"""How far Slack's clock may differ from ours when a message is looked up."""

_LET_LOOK: Final = "give the app channels:history, groups:history, im:history and im:write, and invite it"
_PATIENT: Final = {Verdict.LIMITED, Verdict.TRANSIENT, Verdict.UNKNOWN, Verdict.TOKEN}


class Failed(Exception):
    """A call did not send; `outcome` says how."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.error)


@dataclass(frozen=True, slots=True)
class Place:
    """A message in Slack: the conversation's id and its ts; `found` when an earlier attempt posted it."""

    channel: str = ""
    ts: str = ""
    found: bool = False


class Calls:
    """One delivery's calls.

    `plain` says that Slack refused its blocks, `made` what was called, `learnt` which conversation its
    destination turned out to be, when that is news.
    """

    def __init__(
        self,
        slack: Slack,
        addresses: Addresses,
        delivery: Delivery,
        *,
        pacer: Pacer,
        clock: Callable[[], datetime],
        fail_point: Callable[[str], None],
        holds: Callable[[], bool],
        told: Mapping[tuple[str, str], str],
    ) -> None:
        self._slack = slack
        self._addresses = addresses
        self._delivery = delivery
        self._pacer = pacer
        self._clock = clock
        self._fail_point = fail_point
        self._holds = holds
        self._told = told
        self.plain = delivery.plain
        self.refusal = ""  # why the message is plain, once Slack has said so
        self.made: list[Attempt] = []
        self.learnt: SlackPlace | None = None

    async def post(self, part: str, message: Rendered, directory: Directory) -> Place:
        """Post at the destination unless an earlier attempt did. Raises Failed, Unreachable."""
        destination, purpose = self._delivery.destination, self._purpose(part)
        address = await self._addresses.address(destination, directory)
        if found := await self._find_post(address, purpose):
            return found
        outcome = await self._post(address, message, purpose)
        if outcome.error == "channel_not_found" and address.startswith("#"):
            address = await self._addresses.conversation(destination, address)  # private ones need the id
            outcome = await self._post(address, message, purpose)
        if outcome.error in {"is_archived", "channel_not_found"} and destination.startswith("#"):
            self._addresses.forget(destination)  # there may be another channel of that name
        place = self._accepted(outcome)
        self.learnt = self._addresses.learn(destination, place.channel, by_name=address.startswith("#"))
        return place

    async def is_strangers(self, channel: str, directory: Directory) -> bool:
        """Whether this conversation is with somebody whom the destination does not mean any more."""
        return await self._addresses.is_strangers(self._delivery.destination, channel, directory)

    async def reply(self, parent: Place, message: Rendered) -> Place | None:
        """Reply in a thread unless an earlier attempt did; None when its parent is gone. Raises Failed."""
        purpose = self._purpose("reply")
        ts = await self._look_up(parent.channel, purpose, thread_ts=parent.ts)
        if ts:
            return Place(parent.channel, ts, found=True)
        outcome = await self._tried(
            "chat.postMessage",
            message,
            lambda form: self._slack.post(
                parent.channel, form, purpose, thread_ts=parent.ts, broadcast=self._delivery.broadcast
            ),
        )
        return None if outcome.verdict is Verdict.GONE else self._accepted(outcome)

    async def edit(self, place: Place, message: Rendered) -> Outcome:
        """Replace a message's content."""
        outcome = await self._tried(
            "chat.update", message, lambda form: self._slack.edit(place.channel, place.ts, form)
        )
        if outcome.verdict is Verdict.SENT:
            self._fail_point("card edited")
        return outcome

    async def post_webhook(self, name: str, message: Rendered) -> None:
        """Post through an incoming webhook. Raises Failed."""
        if self._delivery.unsure_since is not None:
            self._say_unseen("an incoming webhook's messages cannot be looked up", "post with the bot token")
        outcome = await self._tried("webhook", message, lambda form: self._slack.post_webhook(name, form))
        self._accepted(outcome)

    def began(self) -> datetime | None:
        """When the first call began."""
        first = self.made[0] if self.made else None
        return first.at - timedelta(milliseconds=first.milliseconds) if first else None

    def _accepted(self, outcome: Outcome) -> Place:
        if outcome.verdict is not Verdict.SENT:
            raise Failed(outcome)
        self._fail_point("accepted by slack")
        return Place(outcome.channel, outcome.ts)

    async def _post(self, address: str, message: Rendered, purpose: Purpose) -> Outcome:
        return await self._tried(
            "chat.postMessage", message, lambda form: self._slack.post(address, form, purpose)
        )

    async def _find_post(self, address: str, purpose: Purpose) -> Place | None:
        if self._delivery.unsure_since is None:
            return None
        try:
            channel = await self._addresses.conversation(self._delivery.destination, address)
        except Unreachable as problem:
            self._cannot_look_up(problem.outcome)
            return None
        ts = await self._look_up(channel, purpose)
        return Place(channel, ts, found=True) if ts else None

    async def _look_up(self, channel: str, purpose: Purpose, *, thread_ts: str | None = None) -> str | None:
        """The ts of what an earlier attempt posted; None when nothing did, or when Slack will not say."""
        since = self._delivery.unsure_since
        if since is None:
            return None
        begun = time.monotonic()
        oldest = min(since, self._clock()) - _SKEW
        try:
            found = self._told.get((purpose.delivery, purpose.part)) or await self._slack.find(
                channel, purpose, oldest, thread_ts=thread_ts
            )
        except CallError as problem:
            self._cannot_look_up(problem.outcome)
            return None
        self._note("look-up", "found" if found else "not found", begun)
        self._fail_point("looked up")
        return found

    def _cannot_look_up(self, outcome: Outcome) -> None:
        """Wait when the look-up may work later; else go on, and say that a repeat is possible."""
        self._note("look-up", outcome.error, time.monotonic())
        if outcome.verdict in _PATIENT and outcome.error != "missing_scope":
            is_token = outcome.verdict is Verdict.TOKEN
            raise Failed(outcome if is_token else replace(outcome, verdict=Verdict.TRANSIENT))
        is_long = outcome.error == TOO_LONG
        self._say_unseen(outcome.error, "look whether it is there twice" if is_long else _LET_LOOK)

    def _say_unseen(self, error: str, remedy: str) -> None:
        log.warning(
            "delivery.sent_again_unseen",
            delivery=self._delivery.id,
            booking=self._delivery.booking_id,
            error=error,
            remedy=remedy,
        )

    async def _tried(
        self, method: str, message: Rendered, call: Callable[[Rendered], Awaitable[Outcome]]
    ) -> Outcome:
        """One call, and one more as plain text when Slack refuses the blocks."""
        outcome = await self._timed(method, call, render_plain(message) if self.plain else message)
        if outcome.verdict is Verdict.BLOCKS and not self.plain:
            log.warning(
                "delivery.blocks_refused",
                delivery=self._delivery.id,
                booking=self._delivery.booking_id,
                rule=self._delivery.rule,
                error=outcome.error,
                place=outcome.detail or None,
            )
            self.plain, self.refusal = True, f"sent as plain text; {problem(outcome)}"
            outcome = await self._timed(method, call, render_plain(message))
        if outcome.verdict is Verdict.BLOCKS:
            outcome = replace(outcome, verdict=Verdict.MESSAGE)
        return outcome

    async def _timed(
        self, method: str, call: Callable[[Rendered], Awaitable[Outcome]], form: Rendered
    ) -> Outcome:
        is_post = method != "chat.update"
        async with self._pacer.turn(self._delivery.destination) if is_post else nullcontext():
            if not self._holds():  # another replica may have taken it over, and may be sending it now
                raise Failed(Outcome(Verdict.TRANSIENT, WAITED))
            begun = time.monotonic()
            with fenced(self._holds) as fence:
                outcome = await call(form)
            if fence.refused:
                raise Failed(Outcome(Verdict.TRANSIENT, WAITED))
        self._note(method, outcome.error or "ok", begun)
        return outcome

    def _purpose(self, part: str) -> Purpose:
        delivery = self._delivery
        return Purpose(delivery.id, part, delivery.event_id, delivery.rule, delivery.rules_hash)

    def _note(self, call: str, outcome: str, begun: float) -> None:
        milliseconds = round((time.monotonic() - begun) * 1000)
        self.made.append(Attempt(self._clock(), call, outcome, milliseconds))
