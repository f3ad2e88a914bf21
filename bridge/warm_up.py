"""One made-up event is stored, routed, claimed, settled and rendered at the start, and taken back.

What is slow the first time (statements are compiled, time zones listed) is then done before the first
event comes, which would be late by a tenth of a second, and those behind it with it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from bridge.core.knowledge import Knowledge
from bridge.core.messages.messages import render
from bridge.core.messages.samples import samples
from bridge.core.reading import VERSION, read_envelope
from bridge.core.retry import Outcome, Verdict
from bridge.core.rules.file import load
from bridge.database import Database
from bridge.router import route_batch
from bridge.store.deliveries import Attempt, Card, Claimant, Deliveries, Delivery, Settlement
from bridge.store.intake import received_row
from bridge.store.people import SlackPlace
from bridge.store.routing import RoutingTransaction
from bridge.tables.delivery import events

log = structlog.get_logger()

_RULES: Final = b"{version: 1, otherwise: {post: {to: '#warm-up'}}}"
_BODY: Final = {"event": "booking.created", "data": {"id": "warm_up"}}
_CLAIMANT: Final = Claimant("warm_up", channel=None, workspace=None, edits=None)


class _TakeBack(Exception):
    """Ends the transaction without a trace."""


async def warm_up(database: Database, deliveries: Deliveries, now: datetime) -> None:
    """Play it through. Never raises: a start must not fail for it."""
    try:
        knowledge = Knowledge(load(_RULES).rules)
        render(samples()[0], knowledge.rules)
        await database.transact(lambda connection: _play(connection, database, deliveries, knowledge, now))
    except _TakeBack:
        return
    except Exception:
        log.exception("warm_up.failed")


def _play(
    connection: Connection, database: Database, deliveries: Deliveries, knowledge: Knowledge, now: datetime
) -> None:
    """Within one transaction; what waits already may be taken instead of what is made up."""
    database.append_within(connection, events, [_event(now)], key="id")
    turn = RoutingTransaction(database, connection)
    routed, learnt = route_batch(turn, turn.received(1), knowledge)
    turn.write(routed, knowledge.rules.hash, now, learnt)
    claimed = deliveries.claim_within(connection, _CLAIMANT, 1, now).deliveries
    sent = [_sent(delivery, now) for delivery in claimed]
    deliveries.settle_within(connection, sent, _CLAIMANT.owner, now)
    raise _TakeBack


def _event(now: datetime) -> dict[str, Any]:
    body = json.dumps({**_BODY, "createdAt": now.isoformat()}).encode()
    return received_row(read_envelope(body), body, VERSION, "warm_up", now)


def _sent(delivery: Delivery, now: datetime) -> Settlement:
    return Settlement(
        delivery,
        "sent",
        now,
        1,
        card=Card("C0", "0.0", delivery.position, delivery.rule, None, "none"),
        calls=(Attempt(now, "chat.postMessage", "ok", 0),),
        learnt=SlackPlace("C0"),
        outcome=Outcome(Verdict.SENT),
    )
