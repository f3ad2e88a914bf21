"""What the doctor found about one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "notice", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: the part, its state, what is so, and what to do about it.

    A notice is worth knowing and no error: the job is done, perhaps less well.
    """

    part: str
    state: State
    says: str
    remedy: str = ""


def ok(part: str, says: str) -> Finding:
    return Finding(part, "ok", says)


def notice(part: str, says: str, remedy: str = "") -> Finding:
    return Finding(part, "notice", says, remedy)


def problem(part: str, says: str, remedy: str) -> Finding:
    return Finding(part, "problem", says, remedy)
