"""What an event is judged and shown by: the rules in force, and who and what ids stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.bookings import BookingType, Directory
from bridge.core.rules.rules import Rules


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One consistent view; replaced as a whole when the rules or the directory change."""

    rules: Rules
    directory: Directory = field(default_factory=Directory)
    types: Mapping[str, BookingType] = field(default_factory=dict)
