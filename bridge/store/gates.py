"""Gates: what replicas agree on before anything is sent: pacing, outages, pauses.

A gate is a row: one for each destination that was paced or failed, "workspace" for all posts through
the bot token, "edits" for its edits, "token" for the token itself. No row means open. What is decided
over them is in `store.gate_policy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select, update

from bridge.core.retry import Outcome
from bridge.database import Database
from bridge.store.gate_policy import (
    EDITS,
    TOKEN,
    WORKSPACE,
    CallResult,
    Candidate,
    Claimant,
    Gate,
    GatePolicy,
)
from bridge.store.statements import IDS, among, upsert
from bridge.tables.delivery import gates

_LOCK: Final = 0x6761746573
_SOME: Final = select(gates).where(among(gates.c.key))
_AFTER_JUMP: Final = timedelta(seconds=5)


class Gates:
    """The gates of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lock(self, connection: Connection) -> None:
        """Let nobody else decide over gates until this transaction ends; take it before any row."""
        self._database.lock(connection, _LOCK)

    def admit(
        self, connection: Connection, claimant: Claimant, candidates: Sequence[Candidate], now: datetime
    ) -> list[frozenset[str] | None]:
        """For each candidate what it probes, None when it must wait. The gates are locked already."""
        keys = {WORKSPACE, EDITS, TOKEN, *(candidate.destination for candidate in candidates)}
        policy = GatePolicy(self._some(connection, keys), now)
        chosen = [policy.admit(claimant, candidate) for candidate in candidates]
        self._save(connection, policy.changed)
        return chosen

    async def admit_one(self, claimant: Claimant, candidate: Candidate, now: datetime) -> bool:
        """Whether a message that is no delivery may be sent now; takes its allowances."""

        def ask(connection: Connection) -> bool:
            self.lock(connection)
            (chosen,) = self.admit(connection, claimant, [candidate], now)
            return chosen is not None

        return await self._database.transact(ask)

    def record(
        self, connection: Connection, results: Sequence[CallResult], now: datetime, jitter: float
    ) -> list[Gate]:
        """Shut and open gates for what calls met; those that were shut. The gates are locked already."""
        keys = {WORKSPACE, EDITS, TOKEN, *(one.destination for one in results)}
        policy = GatePolicy(self._some(connection, keys), now)
        shut = [gate for one in results if (gate := policy.record(one, jitter))]
        self._save(connection, policy.changed)
        return list({gate.key: gate for gate in shut}.values())

    def what_is_open(self, connection: Connection, now: datetime) -> dict[str, bool]:
        """Whether anything may go to Slack with the token, and whether anything may be edited."""
        found = self._some(connection, (WORKSPACE, EDITS, TOKEN))
        shut = {key for key, gate in found.items() if gate.is_shut(now)}
        return {"slack_open": not shut & {WORKSPACE, TOKEN}, "edits_open": EDITS not in shut}

    async def all(self) -> dict[str, Gate]:
        """Every gate by its key."""
        async with self._database.read() as connection:
            return {row.key: Gate(**row._mapping) for row in await connection.execute(select(gates))}

    async def token(self) -> Gate:
        """The token's gate."""
        async with self._database.look() as connection:
            return (await connection.run_sync(self._some, (TOKEN,))).get(TOKEN, Gate(TOKEN))

    async def refuse_token(self, outcome: Outcome, now: datetime, jitter: float) -> list[Gate]:
        """Slack refused the token before anything was sent with it: pause; the gate if that is news."""

        def tell(connection: Connection) -> list[Gate]:
            self.lock(connection)
            return self.record(connection, [CallResult("", frozenset(), outcome)], now, jitter)

        return await self._database.transact(tell)

    async def claim_token_check(self, now: datetime, pause: timedelta) -> bool:
        """Whether this process is to ask Slack about a refused token: one asks, the others wait."""
        due = (gates.c.key == TOKEN, gates.c.failures > 0, gates.c.trial.is_(False), gates.c.open_at <= now)
        async with self._database.write() as connection:
            taken = await connection.execute(update(gates).where(*due).values(open_at=now + pause))
        return taken.rowcount == 1

    async def retry_token(self, now: datetime) -> None:
        """Let one delivery find out whether a token that works again may post."""
        change = update(gates).where(gates.c.key == TOKEN, gates.c.failures > 0)
        async with self._database.write() as connection:
            await connection.execute(change.values(open_at=now, trial=True))

    async def shift(self, back: timedelta, now: datetime) -> None:
        """The clock was set back by so much: move the times that lie ahead, and spend allowances."""

        def move(connection: Connection) -> None:
            self.lock(connection)
            rows = connection.execute(select(gates)).all()
            moved = [
                {
                    **row._mapping,
                    "open_at": max(row.open_at - back, now) if _ahead(row.open_at, now) else row.open_at,
                    "full_at": now + _AFTER_JUMP if _ahead(row.full_at, now) else row.full_at,
                    "since": now if _ahead(row.since, now) else row.since,
                }
                for row in rows
            ]
            self._save(connection, [Gate(**row) for row in moved])

        await self._database.transact(move)

    def _some(self, connection: Connection, keys: Iterable[str]) -> dict[str, Gate]:
        rows = connection.execute(_SOME, {IDS: sorted(keys)})
        return {row.key: Gate(**row._mapping) for row in rows}

    def _save(self, connection: Connection, changed: Sequence[Gate]) -> None:
        if not changed:
            return
        rows = [{name: getattr(gate, name) for name in Gate.__slots__} for gate in changed]
        connection.execute(upsert(self._database.dialect, gates, "key"), rows)


def _ahead(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment > now


__all__ = ["EDITS", "TOKEN", "WORKSPACE", "Claimant", "Gate", "Gates"]
