"""Gates: what replicas agree on before anything is sent: pacing, outages, pauses.

A gate is a row: one for each destination that was paced or failed, "workspace" for all posts through
the bot token, "edits" for its edits, "token" for the token itself. No row means open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.core.pacing import Pace
from bridge.core.retry import wait
from bridge.database import Database
from bridge.tables.delivery import gates

WORKSPACE: Final = "workspace"
EDITS: Final = "edits"
TOKEN: Final = "token"  # noqa: S105 - a row's key
WEBHOOK: Final = "webhook:"
_PROBE: Final = timedelta(seconds=12)


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, and the paces of a channel, of the workspace's posts and of its edits."""

    owner: str
    channel: Pace | None
    workspace: Pace | None
    edits: Pace | None


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate's row; `failures` counts troubles in a row."""

    key: str
    open_at: datetime | None = None
    full_at: datetime | None = None
    failures: int = 0
    reason: str = ""
    since: datetime | None = None


class Gates:
    """The gates of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = sqlite.insert if database.is_sqlite else postgresql.insert

    async def admit(
        self,
        connection: AsyncConnection,
        claimant: Claimant,
        candidates: Sequence[tuple[str, str, bool]],
        now: datetime,
    ) -> list[bool]:
        """Which of the candidates (destination, style, has a card) may pass now; takes their allowances."""
        keys = {WORKSPACE, EDITS, TOKEN, *(candidate[0] for candidate in candidates)}
        query = select(gates).where(gates.c.key.in_(keys)).order_by(gates.c.key)
        if not self._database.is_sqlite:
            await self._ensure(connection, (EDITS, TOKEN, WORKSPACE))
            query = query.with_for_update()
        rows = await connection.execute(query)
        found = {row.key: Gate(**row._mapping) for row in rows}
        doorkeeper = _Doorkeeper(found, claimant, now)
        chosen = [doorkeeper.admit(*candidate) for candidate in candidates]
        await self._save(
            connection, [gate for key, gate in doorkeeper.gates.items() if gate != found.get(key)]
        )
        return chosen

    async def hints(self, connection: AsyncConnection, now: datetime) -> dict[str, bool]:
        """Whether anything may go to Slack with the token, and whether anything may be edited."""
        query = select(gates).where(gates.c.key.in_((WORKSPACE, EDITS, TOKEN)))
        found = {row.key: row for row in await connection.execute(query)}
        shut = {key for key, gate in found.items() if gate.open_at and gate.open_at > now}
        broken = TOKEN in found and found[TOKEN].failures > 0
        return {"slack_open": WORKSPACE not in shut and not broken, "edits_open": EDITS not in shut}

    async def all(self) -> dict[str, Gate]:
        """Every gate by its key."""
        async with self._database.read() as connection:
            return {row.key: Gate(**row._mapping) for row in await connection.execute(select(gates))}

    async def limit(self, key: str, until: datetime, reason: str, now: datetime) -> None:
        """Keep a gate shut until then, as Slack asked; never for shorter than it is already."""
        gate = await self._one(key)
        latest = max(filter(None, (gate.open_at, until)))
        await self._replace(Gate(key, latest, gate.full_at, gate.failures, reason, gate.since or now))

    async def trouble(self, key: str, reason: str, now: datetime) -> datetime:
        """Shut a gate for a failure, longer with each one in a row; until when."""
        gate = await self._one(key)
        until = now + wait(gate.failures + 1, 0)
        changed = Gate(key, until, gate.full_at, gate.failures + 1, reason, gate.since or now)
        await self._replace(changed)
        return until

    async def _one(self, key: str) -> Gate:
        async with self._database.read() as connection:
            row = (await connection.execute(select(gates).where(gates.c.key == key))).first()
        return Gate(**row._mapping) if row else Gate(key)

    async def _replace(self, gate: Gate) -> None:
        async with self._database.write() as connection:
            await self._save(connection, [gate])

    async def open(self, keys: Sequence[str]) -> None:
        """Open gates that were shut for troubles; their pacing stays."""
        calm = {"failures": 0, "reason": "", "since": None, "open_at": None}
        async with self._database.write() as connection:
            await connection.execute(update(gates).where(gates.c.key.in_(keys)).values(calm))

    async def take_probe(self, key: str, now: datetime, pause: timedelta) -> bool:
        """Whether this process is to find out if a shut gate may open: one asks, the others wait."""
        due = update(gates).where(gates.c.key == key, gates.c.failures > 0, gates.c.open_at <= now)
        async with self._database.write() as connection:
            return (await connection.execute(due.values(open_at=now + pause))).rowcount == 1

    async def _ensure(self, connection: AsyncConnection, keys: Sequence[str]) -> None:
        rows = [{"key": key, "failures": 0, "reason": ""} for key in keys]
        await connection.execute(self._insert(gates).on_conflict_do_nothing(index_elements=["key"]), rows)

    async def _save(self, connection: AsyncConnection, changed: Sequence[Gate]) -> None:
        if not changed:
            return
        statement = self._insert(gates)
        values = {c.name: statement.excluded[c.name] for c in gates.c if not c.primary_key}
        rows = [{name: getattr(gate, name) for name in Gate.__slots__} for gate in changed]
        await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values), rows)


class _Doorkeeper:
    """Decides over candidates in their order, keeping the gates' new values."""

    def __init__(self, found: dict[str, Gate], claimant: Claimant, now: datetime) -> None:
        self.gates = dict(found)
        self._claimant = claimant
        self._now = now

    def admit(self, destination: str, style: str, has_card: bool) -> bool:
        if self._is_shut(destination):
            return False
        own = self.gates.get(destination, Gate(destination))
        if own.failures:  # one call finds out whether the trouble is over
            self._put(own, open_at=self._now + _PROBE)
            return True
        if destination.startswith(WEBHOOK):
            return self._pass({destination: self._claimant.channel})
        if self._is_shut(TOKEN) or self._is_shut(WORKSPACE):
            return False
        posts, edits = {destination: self._claimant.channel, WORKSPACE: self._claimant.workspace}, {}
        if has_card and style != "post":
            edits = {EDITS: self._claimant.edits}
        if style == "refresh":
            posts = {}
        return self._pass(posts | edits)

    def _pass(self, paces: dict[str, Pace | None]) -> bool:
        """Take an allowance at every gate, or at none and shut the ones that are exhausted."""
        taken: dict[str, datetime] = {}
        for key, pace in paces.items():
            if pace is None:
                continue
            gate = self.gates.get(key, Gate(key))
            full_at = pace.take(gate.full_at, self._now)
            if full_at is None and gate.full_at is not None:
                self._put(gate, open_at=pace.opens_at(gate.full_at))
                return False
            if full_at is not None:
                taken[key] = full_at
        for key, full_at in taken.items():
            self._put(self.gates.get(key, Gate(key)), full_at=full_at)
        return True

    def _is_shut(self, key: str) -> bool:
        gate = self.gates.get(key)
        if gate is None:
            return False
        if key == TOKEN and gate.failures:
            return True  # only a probe opens it
        return bool(gate.open_at and gate.open_at > self._now)

    def _put(self, gate: Gate, *, open_at: datetime | None = None, full_at: datetime | None = None) -> None:
        self.gates[gate.key] = Gate(
            gate.key,
            open_at or gate.open_at,
            full_at or gate.full_at,
            gate.failures,
            gate.reason,
            gate.since,
        )


__all__ = ["EDITS", "TOKEN", "WORKSPACE", "Claimant", "Gate", "Gates"]
