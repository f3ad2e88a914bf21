"""Whether what waits was sent already: a database brought back from a backup does not know.

Asked once, at the start and before anything is sent: Slack's channels are read where messages went last.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.database import Database
from bridge.slack import CallError, Slack
from bridge.store.backlog import Backlog
from bridge.store.repair import Repairs

log = structlog.get_logger()

_CHANNELS: Final = 10
_SKEW: Final = timedelta(minutes=5)


async def doubt_backlog(database: Database, slack: Slack) -> None:
    """Mark what waits as unsure when Slack holds messages that this database does not know of.

    Where Slack does not say, nothing is marked. Raises Unavailable.
    """
    backlog, known = Backlog(database), Repairs(database)
    since = await backlog.since()
    if since is None or not slack.has_token:
        return
    for channel, told in (await _told(slack, await known.channels(_CHANNELS), since - _SKEW)).items():
        # what another replica sends just now was claimed before Slack told of it, and does not wait
        if await known.strange(told) or await backlog.holds(channel, told):
            count = await backlog.doubt()
            reason = "Slack holds messages of events that seem to wait or are unknown: it is an older copy"
            log.warning("deliveries.doubted", deliveries=count, reason=reason)
            return


async def _told(slack: Slack, channels: list[str], since: datetime) -> dict[str, frozenset[str]]:
    """By channel the events that messages since then are about; without those that cannot be read."""
    answers = await asyncio.gather(*(slack.told(one, since) for one in channels), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, CallError):
            raise answer
    return {one: said for one, said in zip(channels, answers, strict=True) if isinstance(said, frozenset)}
