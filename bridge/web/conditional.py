"""Conditional answers (RFC 9110 §13): what a client has already, and bodies that are sent in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

_SECOND: Final = timedelta(seconds=1)
_UNSETTLED: Final = timedelta(seconds=60)
"""How long ago a change may have been dated that is not seen yet: it waited for the database, was made by
another replica, or by one whose clock goes behind."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a resource from another: strong ETags of both encodings, and a time.

    `modified` is what is told of `changed_at`, and `until` when that may have to be told differently.
    Until it `is_settled` that no other change has that time, nobody is told by date that nothing changed.
    """

    plain: str
    zipped: str
    changed_at: datetime
    modified: datetime
    is_settled: bool
    until: datetime
    headers: Mapping[str, str]

    def known_to(self, request: web.Request) -> bool:
        """Whether the client has this state, in either encoding (RFC 9110 §13.1.2, §13.1.3)."""
        said = request.headers.get(hdrs.IF_NONE_MATCH)
        if said is None:
            since = request.if_modified_since if self.is_settled else None
            return since is not None and self.modified <= since
        if said in (self.plain, self.zipped):
            return True
        tags = {item.strip().removeprefix("W/") for item in said.split(",")}
        return not tags.isdisjoint((self.plain, self.zipped, "*"))

    def etag(self, *, zips: bool) -> str:
        return self.zipped if zips else self.plain


def validators(etag: str, changed_at: datetime, now: datetime, seen: timedelta) -> Validators:
    """The validators of a state with this ETag, last changed then; what is by time changes at midnight.

    `seen` is how long ago the store was looked at. Last-Modified is in whole seconds, and one that may
    see another change is not named but the one before (RFC 9110 §8.8.2.2): who asks with it would miss that
    change.
    """
    second = now.replace(microsecond=0)
    midnight = second.replace(hour=0, minute=0, second=0)
    changed = max(changed_at.replace(microsecond=0), midnight)
    is_settled = changed < now - seen - _UNSETTLED
    modified = changed if is_settled else changed - _SECOND
    until = midnight + timedelta(days=1) if is_settled else second + _SECOND
    headers: dict[str, str] = {hdrs.LAST_MODIFIED: format_datetime(modified.astimezone(UTC), usegmt=True)}
    return Validators(etag, f'{etag[:-1]}-gz"', changed_at, modified, is_settled, until, headers)


class Parts(Payload):
    """A body in pieces, which are never put together: each is written when the one before has gone out."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        super().__init__(parts)
        self._size = sum(map(len, parts))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._value:
            await writer.write(part)


def accepts_gzip(request: web.Request) -> bool:
    """Whether the client takes gzip (RFC 9110 §12.5.3)."""
    said = request.headers.get(hdrs.ACCEPT_ENCODING)
    for item in said.lower().split(",") if said else ():
        name, _, quality = item.partition(";")
        if name.strip() in {"gzip", "x-gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
