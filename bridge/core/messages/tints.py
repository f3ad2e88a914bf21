"""The coloured bar beside a message: a booking type's colour as Slack's attachments take it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from bridge.core.feeds.colours import NAMES

BAD: Final = "#E01E5A"
"""The bar of a booking that is over, whatever its type's colour: it must be seen while scrolling."""

_HEX: Final = re.compile(r"#?([0-9a-f]{3}[0-9a-f]?|[0-9a-f]{6}(?:[0-9a-f]{2})?)")


@lru_cache(maxsize=256)
def tint(colour: str) -> str:
    """ "#RRGGBB" for hex digits (transparency is left out) or a CSS name, "" for anything else."""
    said = colour.strip().lower()
    if said in NAMES:
        return "#{:02X}{:02X}{:02X}".format(*NAMES[said])
    found = _HEX.fullmatch(said)
    if not found:
        return ""
    digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1][:3])
    return f"#{digits[:6].upper()}"
