"""Web addresses put together from an admin's text and a booking's values, which cannot lead elsewhere.

A value that begins the address is an address itself and stays as it is; it has to be http or https like
any other. A value behind text of the admin's is one piece of what stands there: percent-encoded, so that
it adds no `/`, `?`, `&`, `#` or `@` (RFC 3986 §2.2), and in the host only letters, digits and hyphens.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_BEGIN, _END = "\ufdd0", "\ufdd1"
_MARKS: Final = dict.fromkeys(map(ord, (_BEGIN, _END)))
_VALUE: Final = re.compile(f"{_BEGIN}([^{_BEGIN}{_END}]*){_END}?")
_IN_HOST: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://[^/?#\\]*")
_NOT_IN_HOST: Final = re.compile(r"[^A-Za-z0-9-]+")


def piece(value: str) -> str:
    """A value, marked so that `assembled` knows it from the admin's text."""
    return f"{_BEGIN}{value.translate(_MARKS)}{_END}"


def assembled(text: str) -> str:
    """The address in a text in which values are marked."""
    made, at = "", 0
    for found in _VALUE.finditer(text):
        made += text[at : found.start()]
        at = found.end()
        if not made.strip():
            made += found[1]
        elif _IN_HOST.fullmatch(made):
            made += _NOT_IN_HOST.sub("", found[1])
        else:
            made += quote(found[1], safe="", errors="replace")
    return (made + text[at:]).strip()
