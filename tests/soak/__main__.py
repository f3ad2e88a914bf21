"""`python -m tests.soak MINUTES`: a mixed load on the real process, with faults switched on and off.

Prints a table; exit status 1 when something does not hold. Everything stays on this machine, is bounded in
time and in number, and is gone at the end.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.soak.checks import DRAIN, Check, checks, drained, words
from tests.soak.load import LONGEST, load
from tests.soak.world import running

IDLE: Final = 20.0
"""Seconds after which unused connections have been closed, so that open files can be counted."""


async def main(minutes: float, seed: int) -> int:
    """Soak, print the table; the exit status."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        async with running(folder, seed) as soak:
            await load(soak, minutes)
            is_drained = await drained(folder)
            await asyncio.sleep(IDLE)
            soak.sample()
            found = [Check("everything settled", f"within {DRAIN:.0f} s", is_drained)]
            found += await checks(soak, folder)
    table = Table("what", "found", "", title=f"{minutes:g} minutes: {words(soak.done)}", box=None)
    for check in found:
        table.add_row(check.name, check.said, "✓" if check.holds else "✗")
    Console(width=110).print(table)
    return 0 if all(check.holds for check in found) else 1


if __name__ == "__main__":
    wanted = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    if not 0.2 <= wanted <= LONGEST:
        raise SystemExit(f"minutes: from 0.2 to {LONGEST}")
    sys.exit(asyncio.run(main(wanted, seed=1)))
