"""Python's garbage collector, told what a long-running service knows better."""

from __future__ import annotations

import gc
from typing import Final

_YOUNG: Final = 5_000
"""New objects between two looks at the young; the default of 700 looks several times for one event."""


def tune() -> None:
    """What is there now stays: it is not looked through again.

    Else each full collection goes through some 150,000 objects of code and rules, and holds everything up
    for a tenth of a second. To be called once, when a process has started what it will run.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
