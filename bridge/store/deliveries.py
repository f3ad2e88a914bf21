"""Deliveries and cards: claimed under a lease, settled in batches, taken over when their holder dies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, literal_column, select, update

from bridge.database import Database
from bridge.store.claims import CANDIDATES, CLAIMED, LEFT, active, delivery, waiting
from bridge.store.delivery import Attempt, Card, Claimed, Delivery, Settled, Settlement
from bridge.store.gate_policy import CallResult, Candidate, Claimant
from bridge.store.gates import Gates
from bridge.store.giving_up import give_up
from bridge.store.people import SlackNames
from bridge.store.routing import TOPIC
from bridge.store.statements import IDS, among, upsert
from bridge.tables.delivery import attempts, cards, deliveries

LEASE: Final = timedelta(seconds=12)
"""How long a claim holds unless it is renewed."""


SHARE: Final = 8
"""Deliveries to one destination that a process sends at a time: a slow one must not hold up the others."""

_NONE: Final[Mapping[str, int]] = {}


class _Turn(NamedTuple):
    """By seq what each that may be sent probes; whether any was offered, and one too many for its place."""

    probes: dict[int, frozenset[str]]
    offered: bool
    is_crowded: bool


class Deliveries:
    """The deliveries of one database, as the courier works on them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = SlackNames(database)
        self.gates = Gates(database)

    async def claim(
        self, claimant: Claimant, limit: int, now: datetime, *, busy: Mapping[str, int] = _NONE
    ) -> Claimed:
        """Take the next deliveries that may be sent now, for `LEASE`; paced, one booking in order.

        `busy` counts by destination what this process is sending already: none gets more than `SHARE` at a
        time. One claim at a time among all replicas, so that a lane is never taken twice.
        """
        return await self._database.transact(
            lambda connection: self.claim_within(connection, claimant, limit, now, busy)
        )

    def claim_within(
        self,
        connection: Connection,
        claimant: Claimant,
        limit: int,
        now: datetime,
        busy: Mapping[str, int] = _NONE,
    ) -> Claimed:
        """As `claim`, in a transaction that others use, too."""
        self.gates.lock(connection)
        counts = Counter(busy)
        claimed: list[Delivery] = []
        while True:
            turn = self._admitted(connection, claimant, limit - len(claimed), now, counts)
            claimed += self._lend(connection, claimant.owner, turn.probes, now)
            if len(claimed) == limit:
                return Claimed(claimed, now, more=True)
            if not turn.offered or (turn.probes and not turn.is_crowded):
                return self._rest(connection, claimed, now)
            # else see what lies behind what met gates that are now shut, or has its share

    def _lend(
        self, connection: Connection, owner: str, probes: Mapping[int, frozenset[str]], now: datetime
    ) -> list[Delivery]:
        if not probes:
            return []
        seqs = list(probes)
        lease = {"owner": owner, "claimed_at": now, "lease_until": now + LEASE}
        connection.execute(_LEND, {IDS: seqs, **lease})
        return [delivery(row, probes[row.seq]) for row in connection.execute(_CHOSEN, {IDS: seqs})]

    def _rest(self, connection: Connection, claimed: list[Delivery], now: datetime) -> Claimed:
        """With what is left after a claim that took all it could."""
        left = connection.execute(LEFT, {"now": now}).one()
        due = min(filter(None, (left.next_due, left.next_opening)), default=None)
        return Claimed(claimed, due, bool(left.more))

    def _admitted(
        self, connection: Connection, claimant: Claimant, limit: int, now: datetime, counts: Counter[str]
    ) -> _Turn:
        """What may be sent of the next so many; `counts` by destination goes on."""
        query = CANDIDATES if self._database.is_sqlite else _SKIPPING_LOCKED
        full = [destination for destination, count in counts.items() if count >= SHARE]
        values = {"now": now, "most": limit, "full": full, **self.gates.what_is_open(connection, now)}
        offered = connection.execute(query, values).all()
        rows = []
        for row in offered:
            if counts[row.destination] < SHARE:
                counts[row.destination] += 1
                rows.append(row)
        candidates = [Candidate(row.destination, row.style, bool(row.edits)) for row in rows]
        chosen = self.gates.admit(connection, claimant, candidates, now) if rows else []
        probes = {row.seq: probes for row, probes in zip(rows, chosen, strict=True) if probes is not None}
        return _Turn(probes, offered=bool(offered), is_crowded=len(rows) < len(offered))

    async def settle(
        self, settlements: Sequence[Settlement], owner: str, now: datetime, *, leave: bool = False
    ) -> Settled:
        """Write what became of claimed deliveries and what it means for gates, in one transaction.

        A claim that another replica took over meanwhile is not ours to settle. `leave` tells the other
        replicas that what these deliveries held up is theirs: this process claims nothing more.
        """

        def settle(connection: Connection) -> Settled:
            settled = self.settle_within(connection, settlements, owner, now)
            if leave:
                self._database.notify(connection, TOPIC)
            return settled

        return await self._database.transact(settle)

    def settle_within(
        self, connection: Connection, settlements: Sequence[Settlement], owner: str, now: datetime
    ) -> Settled:
        """As `settle`, in a transaction that others use, too."""
        heard = [
            CallResult(item.delivery.destination, item.delivery.probes, item.outcome)
            for item in settlements
            if item.outcome and (item.delivery.probes or item.outcome.verdict != "sent")
        ]
        if heard:
            self.gates.lock(connection)
        held = self._held(connection, settlements, owner)
        if held:
            connection.execute(_SETTLE, [_settled_row(item, now) for item in held])
            self._settle_cards(connection, held)
        learnt = {item.delivery.destination: item.learnt for item in settlements if item.learnt}
        if learnt:
            self._names.write_channels(connection, learnt, now)
        calls = [_attempt_row(item.delivery, call) for item in settlements for call in item.calls]
        if calls:
            connection.execute(_ATTEMPTS, calls)
        jitter = random.random()  # noqa: S311 - spreads retries
        shut = self.gates.record(connection, heard, now, jitter) if heard else []
        given_up = [each for gate in shut if (each := give_up(connection, gate, now))]
        ours = {item.delivery.seq for item in held}
        lost = tuple(item for item in settlements if item.delivery.seq not in ours)
        return Settled(tuple(held), lost, tuple(shut), tuple(given_up))

    def _held(
        self, connection: Connection, settlements: Sequence[Settlement], owner: str
    ) -> list[Settlement]:
        seqs = [item.delivery.seq for item in settlements]
        query = _HELD if self._database.is_sqlite else _HELD_LOCKED
        rows = connection.execute(query, {IDS: seqs, "owner": owner})
        claimed = {row.seq: row.claimed_at for row in rows}
        return [item for item in settlements if claimed.get(item.delivery.seq) == item.delivery.claimed_at]

    def _settle_cards(self, connection: Connection, settlements: Sequence[Settlement]) -> None:
        changed = [_card_row(item.delivery, item.card) for item in settlements if item.card]
        if changed:
            connection.execute(upsert(self._database.dialect, cards, "booking_id", "destination"), changed)
        for item in settlements:
            if item.lost_card and not item.card:
                connection.execute(
                    delete(cards).where(
                        cards.c.booking_id == item.delivery.booking_id,
                        cards.c.destination == item.delivery.destination,
                    )
                )

    async def renew(self, seqs: Collection[int], owner: str, now: datetime) -> set[int]:
        """Hold claims for another `LEASE`; those that are still ours."""
        held = and_(deliveries.c.seq.in_(seqs), deliveries.c.owner == owner, deliveries.c.state == "sending")
        change = update(deliveries).where(held).values(lease_until=now + LEASE)
        async with self._database.write() as connection:
            return set(await connection.scalars(change.returning(deliveries.c.seq)))

    async def recover(
        self,
        now: datetime,
        *,
        working_on: Callable[[], Collection[int]] = tuple,
        exclusive: bool = False,
    ) -> int:
        """Free the claims of holders that died, or all that nobody works on when no other holder can be.

        Such a delivery may be in Slack already, so it is marked as unsure. `working_on` tells this
        process's own claims, asked within the transaction.
        """
        held = and_(active(deliveries), deliveries.c.state == "sending")
        if not exclusive:
            held = and_(held, deliveries.c.lease_until < now)
        async with self._database.look() as connection:
            found = set(await connection.scalars(select(deliveries.c.seq).where(held)))
        if not found - set(working_on()):
            return 0
        freed = {
            "state": "waiting",
            "owner": "",
            "next_at": now,
            "unsure_since": func.coalesce(deliveries.c.unsure_since, deliveries.c.claimed_at),
        }
        async with self._database.write() as connection:
            idle = found - set(working_on())
            change = update(deliveries).where(held, deliveries.c.seq.in_(idle)).values(freed)
            result = await connection.execute(change)
            await connection.run_sync(self._database.notify, TOPIC)
        return result.rowcount

    async def mend_times(self, now: datetime, *, beyond: timedelta = timedelta(0)) -> int:
        """Make due what waits for a time further ahead than `beyond`: the clock was set back; how many."""
        late = and_(waiting(deliveries), deliveries.c.next_at > now + beyond)
        async with self._database.look() as connection:
            if await connection.scalar(select(deliveries.c.seq).where(late).limit(1)) is None:
                return 0
        async with self._database.write() as connection:
            return (await connection.execute(update(deliveries).where(late).values(next_at=now))).rowcount


_CHOSEN: Final = CLAIMED.where(among(deliveries.c.seq))
_LEND: Final = (
    update(deliveries)
    .where(among(deliveries.c.seq))
    .values(
        state="sending",
        owner=bindparam("owner"),
        claimed_at=bindparam("claimed_at"),
        lease_until=bindparam("lease_until"),
    )
)
_HELD: Final = select(deliveries.c.seq, deliveries.c.claimed_at).where(
    among(deliveries.c.seq),
    deliveries.c.owner == bindparam("owner"),
    deliveries.c.state == literal_column("'sending'"),
)
_HELD_LOCKED: Final = _HELD.with_for_update()
_ATTEMPTS: Final = insert(attempts)
_SKIPPING_LOCKED: Final = CANDIDATES.with_for_update(skip_locked=True, of=deliveries)

_FIELDS: Final = (
    *("state", "next_at", "attempts", "channel", "ts", "error", "problem"),
    *("failing_since", "unsure_since", "plain"),
)
_SETTLE: Final = (
    update(deliveries)
    .where(deliveries.c.seq == bindparam("b_seq"))
    .values(
        owner="",
        lease_until=None,
        done_at=bindparam("b_done_at"),
        **{name: bindparam(f"b_{name}") for name in _FIELDS},
    )
)


def _settled_row(item: Settlement, now: datetime) -> dict[str, object]:
    row: dict[str, object] = {f"b_{name}": getattr(item, name) for name in _FIELDS}
    done = None if item.state == "waiting" else now
    return row | {"b_seq": item.delivery.seq, "b_done_at": done}


def _card_row(delivery: Delivery, card: Card) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(card, name) for name in Card.__slots__}
    return row | {"booking_id": delivery.booking_id, "destination": delivery.destination}


def _attempt_row(delivery: Delivery, call: Attempt) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(call, name) for name in Attempt.__slots__}
    return row | {"delivery_id": delivery.id}


__all__ = ["LEASE", "TOPIC", "Attempt", "Card", "Claimant", "Deliveries", "Delivery", "Settled", "Settlement"]
