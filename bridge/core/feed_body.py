"""The bytes of a feed, kept so that a change costs what changed and not what stayed.

Events lie in the order of start and uid. The ETag is a digest of the events' digests, so that equal
bytes have equal ETags on every replica. Compressed pieces end where an event's digest says so: a
change spoils one piece, and equal bytes are cut alike, whatever happened before.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import accumulate
from operator import itemgetter
from typing import Final, NamedTuple

from bridge.core.calendar import TAIL, View, nothing, vevent
from bridge.core.entries import Entry
from bridge.core.refresh import leaves_at

_DIGEST: Final = 16
_CUT: Final = 2
"""A piece ends after an event whose digest begins with a byte below this: every 128 on average."""
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_END: Final = b"\x03\x00"  # an empty last block


class Piece(NamedTuple):
    """Where an event stands in its feed; `leaves_at` is when it is dropped, `changed_at` its mark."""

    start: datetime
    uid: str
    size: int
    digest: bytes
    leaves_at: datetime
    changed_at: datetime


_UID, _SIZE, _SUM, _LEAVES, _CHANGED = map(itemgetter, range(1, 6))

Edit = tuple[Piece, bytes] | None
"""An event's new place and bytes, None when it is no longer in the feed."""


def edit(entry: Entry, view: View, past_days: int, now: datetime) -> Edit:
    """What a feed shows of an entry now."""
    leaves = leaves_at(entry, past_days)
    start = entry.booking.start
    if leaves is None or leaves <= now or start is None:
        return None
    data = vevent(entry, view)
    digest = blake2b(data, digest_size=_DIGEST).digest()
    changed_at = entry.mark(view.options.detail).at
    return Piece(start, entry.uid, len(data), digest, leaves, changed_at), data


@dataclass(frozen=True, slots=True)
class FeedBody:
    """A feed's bytes. `etag` is strong and quoted; `changed_at` None when it holds no event."""

    head: bytes
    pieces: tuple[Piece, ...]
    data: bytes
    etag: str
    changed_at: datetime | None
    next_leave: datetime | None

    def with_edits(self, edits: Mapping[str, Edit]) -> FeedBody:
        """The feed after these changes, by uid."""
        places = dict(zip(map(_UID, self.pieces), range(len(self.pieces)), strict=True))
        gone = [(places[uid], 1, None) for uid in edits if uid in places]
        new = [
            (bisect_left(self.pieces, (found[0].start, found[0].uid)), 0, found)
            for found in edits.values()
            if found is not None
        ]
        offsets = list(accumulate(map(_SIZE, self.pieces), initial=len(self.head)))
        old = memoryview(self.data)
        pieces: list[Piece] = []
        parts: list[bytes | memoryview] = [self.head]
        at = 0
        for index, _, found in sorted([*gone, *new], key=_by_place):
            pieces += self.pieces[at:index]
            parts.append(old[offsets[at] : offsets[index]])
            at = index
            if found is None:
                at += 1
            else:
                pieces.append(found[0])
                parts.append(found[1])
        pieces += self.pieces[at:]
        parts.append(old[offsets[at] : offsets[-1]])
        return _body(self.head, pieces, parts)

    def with_head(self, head: bytes) -> FeedBody:
        """The feed under another name."""
        events = memoryview(self.data)[len(self.head) : len(self.head) + sum(map(_SIZE, self.pieces))]
        return _body(head, self.pieces, [head, events])

    def without_old(self, now: datetime) -> FeedBody:
        """The feed without what has left it by now."""
        if self.next_leave is None or now < self.next_leave:
            return self
        return self.with_edits({piece.uid: None for piece in self.pieces if piece.leaves_at <= now})


def build(head: bytes, edits: Sequence[tuple[Piece, bytes]]) -> FeedBody:
    """A feed of these events."""
    ordered = sorted(edits, key=lambda one: one[0])
    return _body(head, [piece for piece, _ in ordered], [head, *(data for _, data in ordered)])


def _by_place(one: tuple[int, int, Edit]) -> tuple[int, int, datetime | None, str]:
    """New events come before what stood at their place, in their own order."""
    found = one[2]
    return (one[0], one[1], found[0].start, found[0].uid) if found else (one[0], one[1], None, "")


def _body(head: bytes, pieces: Sequence[Piece], parts: Sequence[bytes | memoryview]) -> FeedBody:
    last = TAIL if pieces else nothing() + TAIL
    sums = blake2b(head, digest_size=_DIGEST)
    sums.update(b"".join(map(_SUM, pieces)))
    return FeedBody(
        head,
        tuple(pieces),
        b"".join([*parts, last]),
        f'"{sums.hexdigest()}"',
        max(map(_CHANGED, pieces), default=None),
        min(map(_LEAVES, pieces), default=None),
    )


def compressed(body: FeedBody, kept: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
    """The feed as one gzip member (RFC 1952), and its pieces to be kept for the next time.

    Each piece is compressed by itself and ends on a byte (a full flush, RFC 1951), so that those that
    did not change are used again.
    """
    data = memoryview(body.data)
    used: dict[bytes, bytes] = {}
    at = 0
    for key, size in _runs(body):
        used[key] = kept.get(key) or _deflate(data[at : at + size])
        at += size
    rest = _deflate(data[at:])
    ends = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return b"".join([_GZIP_HEAD, *used.values(), rest, _GZIP_END, ends]), used


def _runs(body: FeedBody) -> Iterator[tuple[bytes, int]]:
    """The pieces to compress, the head first: what identifies each, and its length."""
    yield body.head, len(body.head)
    first = 0
    ends = [index + 1 for index, digest in enumerate(map(_SUM, body.pieces)) if digest[0] < _CUT]
    for end in [*ends, len(body.pieces)]:
        run = body.pieces[first:end]
        if run:
            yield b"".join(map(_SUM, run)), sum(map(_SIZE, run))
        first = end


def _deflate(data: memoryview) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)
