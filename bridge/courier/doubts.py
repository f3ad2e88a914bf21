"""Whether what waits was sent already: a database brought back from a backup does not know.

Asked once, at the start and before anything is sent: Slack's channels are read where messages went last.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.core.retry import Verdict
from bridge.core.rules.destinations import CHANNEL_ID
from bridge.database import Database
from bridge.slack import CallError, Slack
from bridge.store.backlog import Backlog, Waiting
from bridge.store.repair import Repairs

log = structlog.get_logger()

_CHANNELS: Final = 10
_SKEW: Final = timedelta(minutes=5)
_LOOKED_BACK: Final = timedelta(hours=1)
"""As far as one delivery's look-up goes back before it."""

_BUSIEST: Final = 20
"""Conversations; Slack allows about fifty calls a minute, and a long history takes several."""

_NOT_TO_BE_SEEN: Final = {Verdict.DESTINATION, Verdict.MESSAGE, Verdict.GONE}


Told = dict[tuple[str, str], str]
"""The ts of messages by delivery and part."""


async def doubt_backlog(database: Database, slack: Slack) -> Told:
    """Mark what waits as unsure when Slack holds messages that this database does not know of.

    Where Slack does not say, nothing is marked. What was found of it meanwhile need not be looked up again.
    Raises Unavailable.
    """
    backlog, known = Backlog(database), Repairs(database)
    since = await backlog.since()
    if since is None or not slack.has_token:
        return {}
    for channel, told in (await _told(slack, await known.channels(_CHANNELS), since - _SKEW)).items():
        # what another replica sends just now was claimed before Slack told of it, and does not wait
        if await known.strange(told) or await backlog.holds(channel, told):
            waiting = await backlog.waiting()
            found, read = await _found(slack, waiting)
            count = await backlog.doubt(untold(waiting, found, read))
            reason = "Slack holds messages of events that seem to wait or are unknown: it is an older copy"
            log.warning("deliveries.doubted", deliveries=count, of=len(waiting), reason=reason)
            return found
    return {}


async def _found(slack: Slack, waiting: Collection[Waiting]) -> tuple[Told, set[str]]:
    """What was posted where most of it waits, and the conversations that were read to the end.

    One reading answers for all that wait for a conversation; where little waits, or Slack does not say, each
    is looked up when its turn comes.
    """
    busiest = Counter(one.channel for one in waiting if CHANNEL_ID.fullmatch(one.channel))
    found: Told = {}
    read: set[str] = set()
    for channel, _ in busiest.most_common(_BUSIEST):
        since = min(one.created_at for one in waiting if one.channel == channel)
        try:
            found |= await slack.posted(channel, since - _LOOKED_BACK)
        except CallError as problem:
            if problem.outcome.verdict not in _NOT_TO_BE_SEEN:
                break
        else:
            read.add(channel)
    return found, read


def untold(waiting: Iterable[Waiting], found: Collection[tuple[str, str]], read: Collection[str]) -> set[str]:
    """The ids of those that Slack does not hold for certain, by what was found where it was read to the end.

    A card's replies are in its thread, which was not read: nothing is certain where there is a card.
    """
    told = {delivery for delivery, _ in found}
    carded = {(one.booking_id, one.destination) for one in waiting if one.has_card or one.id in told}
    return {
        one.id
        for one in waiting
        if one.channel in read
        and one.id not in told
        and (one.style == "post" or (one.booking_id, one.destination) not in carded)
    }


async def _told(slack: Slack, channels: list[str], since: datetime) -> dict[str, frozenset[str]]:
    """By channel the events that messages since then are about; without those that cannot be read."""
    answers = await asyncio.gather(*(slack.told(one, since) for one in channels), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, CallError):
            raise answer
    return {one: said for one, said in zip(channels, answers, strict=True) if isinstance(said, frozenset)}
