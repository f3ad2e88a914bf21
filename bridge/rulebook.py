"""The rules file on disk: read at start, watched, swapped in whole or not at all.

The file is read every second and compared by content, so that editors that rename, Kubernetes' symlink
swaps and network disks, which no notification covers alike, are all seen.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from bridge.core.rules.file import Loaded, load
from bridge.core.rules.rules import Rules
from bridge.core.text import impersonal
from bridge.core.yaml_file.problems import Problem, RulesError
from bridge.rules_file import Unreadable, read

log = structlog.get_logger()

_LOOK: Final = 1.0

Report = Callable[[str, str], Awaitable[None]]


class Rulebook:
    """The rules in force. `problems` are those of a newer file that is not, else empty."""

    def __init__(
        self,
        path: Path,
        *,
        webhooks: Collection[str],
        clock: Callable[[], datetime],
        can_look_up: bool = True,
    ) -> None:
        self._path = path
        self._webhooks = webhooks
        self._clock = clock
        self._can_look_up = can_look_up
        self._seen = b""
        self._asked = asyncio.Event()
        self.rules = Rules()
        self.problems: tuple[str, ...] = ()
        self.warnings: tuple[Problem, ...] = ()
        self.loaded_at = clock()
        self.changed_at = clock()

    async def open(self) -> None:
        """Load the file for the first time. Raises Unreadable, RulesError."""
        text = await asyncio.to_thread(read, self._path)
        self._take(await self._load(text))
        self._seen = _digest(text)

    def reload(self) -> None:
        """Look at the file now."""
        self._asked.set()

    async def watch(self, report: Report, changed: Callable[[], None]) -> None:
        """Follow the file for ever; `report` hears of a bad file once, and once when it is good again."""
        while True:
            try:
                async with asyncio.timeout(_LOOK):
                    await self._asked.wait()
            except TimeoutError:
                pass
            self._asked.clear()
            await self._look(report, changed)

    async def _look(self, report: Report, changed: Callable[[], None]) -> None:
        try:
            text = await asyncio.to_thread(read, self._path)
        except Unreadable as problem:
            await self._refuse(_digest(str(problem).encode()), (str(problem),), report)
            return
        digest = _digest(text)
        if digest == self._seen:
            return
        try:
            loaded = await self._load(text)
        except RulesError as error:
            await self._refuse(digest, tuple(problem.text(error.name) for problem in error.errors), report)
            return
        self._seen = digest
        was_bad = bool(self.problems)
        self._take(loaded)
        log.info("rules.loaded", rules_hash=self.rules.hash, rules=len(self.rules.rules))
        changed()
        if was_bad:
            await report("rules", f"{self._path.name} is good again and in force.")

    async def _refuse(self, digest: bytes, problems: tuple[str, ...], report: Report) -> None:
        if digest == self._seen:
            return
        self._seen = digest
        self.problems, self.changed_at = problems, self._clock()
        log.error("rules.refused", problems=problems[:20], count=len(problems))
        said = "\n".join(problems[:10])
        await report("rules", f"{self._path.name} is not in force, the rules before it are:\n{said}")

    async def _load(self, text: bytes) -> Loaded:
        """The file's rules. Raises RulesError, fit for logs: `check` is where problems are told in full."""
        try:
            return await asyncio.to_thread(
                load,
                text,
                name=self._path.name,
                webhooks=self._webhooks,
                can_look_up=self._can_look_up,
            )
        except RulesError as error:
            told = [
                replace(each, path=impersonal(each.path), message=impersonal(each.message))
                for each in error.problems
            ]
            raise RulesError(told, error.name) from None

    def _take(self, loaded: Loaded) -> None:
        self.rules, self.warnings, self.problems = loaded.rules, loaded.warnings, ()
        self.loaded_at = self.changed_at = self._clock()


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
