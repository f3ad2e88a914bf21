"""The bytes of a feed, kept so that a change costs what changed and not what stayed.

Events lie in the order of start and uid, in segments of about a hundred. A segment ends where an
event's digest says so, not where a count is full: a change spoils one segment, and equal feeds are cut
alike, whatever happened to them before. So equal bytes have equal ETags on every replica.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from typing import Final, NamedTuple

from bridge.core.feeds.calendar import TAIL, View, nothing, vevent
from bridge.core.feeds.entries import Entry
from bridge.core.feeds.gzip_parts import Part, member, part
from bridge.core.refresh import leaves_at

_DIGEST: Final = 16
_SMALL: Final = 2 * 2**20
_CUT: Final = 2
"""A segment ends after an event whose digest begins with a byte below this: every 128 on average."""


class Piece(NamedTuple):
    """Where an event stands in its feed; `leaves_at` is when it is dropped, `changed_at` its mark."""

    start: datetime
    uid: str
    size: int
    digest: bytes
    leaves_at: datetime
    changed_at: datetime


Item = tuple[Piece, bytes]
Edit = Item | None
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


class Segment:
    """Some events in a row; never changed."""

    def __init__(self, items: list[Item]) -> None:
        self.pieces = [piece for piece, _ in items]
        self.is_zipped = False
        self.data = b"".join(data for _, data in items)
        self.uids = frozenset(piece.uid for piece in self.pieces)
        self.first = self.pieces[0]
        self.changed_at = max(piece.changed_at for piece in self.pieces)
        self.leaves_at = min(piece.leaves_at for piece in self.pieces)
        self.digest = blake2b(b"".join(piece.digest for piece in self.pieces), digest_size=_DIGEST).digest()

    def items(self) -> list[Item]:
        """The events with their bytes."""
        ends = accumulate(piece.size for piece in self.pieces)
        return [
            (piece, self.data[end - piece.size : end]) for piece, end in zip(self.pieces, ends, strict=True)
        ]

    @cached_property
    def zipped(self) -> Part:
        """The bytes compressed by themselves."""
        self.is_zipped = True
        return part(self.data)


class FeedBody:
    """A feed's bytes; never changed.

    `etag` is strong and quoted, `size` in bytes; `changed_at` and `next_leave` are None without events.
    """

    def __init__(self, head: bytes, segments: tuple[Segment, ...]) -> None:
        self.head = head
        self.segments = segments
        sums = blake2b(head, digest_size=_DIGEST)
        sums.update(b"".join(segment.digest for segment in segments))
        self.etag = f'"{sums.hexdigest()}"'
        self.size = sum(map(len, self.parts))
        self.changed_at = max((segment.changed_at for segment in segments), default=None)
        self.next_leave = min((segment.leaves_at for segment in segments), default=None)

    @property
    def parts(self) -> list[bytes]:
        """The bytes, in pieces to be sent one after the other."""
        last = TAIL if self.segments else nothing() + TAIL
        return [self.head, *(segment.data for segment in self.segments), last]

    @cached_property
    def data(self) -> bytes:
        """The bytes in one piece."""
        return b"".join(self.parts)

    @property
    def count(self) -> int:
        """How many events there are."""
        return sum(len(segment.pieces) for segment in self.segments)

    def with_edits(self, edits: Mapping[str, Edit]) -> FeedBody:
        """The feed after these changes, by uid."""
        open_segments: dict[int, list[Item]] = {}
        for index, segment in enumerate(self.segments):
            if not edits.keys().isdisjoint(segment.uids):
                open_segments[index] = [item for item in segment.items() if item[0].uid not in edits]
        firsts = [segment.first for segment in self.segments]
        loose: list[Item] = []
        for new in filter(None, edits.values()):
            index = max(0, bisect_right(firsts, new[0]) - 1)
            if not self.segments:
                loose.append(new)
            elif index in open_segments:
                open_segments[index].append(new)
            else:
                open_segments[index] = [*self.segments[index].items(), new]
        return FeedBody(self.head, tuple(self._cut_anew(open_segments, loose)))

    def _cut_anew(self, open_segments: Mapping[int, list[Item]], loose: list[Item]) -> Iterator[Segment]:
        """The segments; those that are open are cut again, with what follows if their end is gone."""
        for index, segment in enumerate(self.segments):
            if index not in open_segments and not loose:
                yield segment
                continue
            loose += open_segments[index] if index in open_segments else segment.items()
            done, loose = _cut(loose)
            yield from done
        yield from _segments(loose)

    def with_head(self, head: bytes) -> FeedBody:
        """The feed under another name."""
        return FeedBody(head, self.segments)

    def without_old(self, now: datetime) -> FeedBody:
        """The feed without what has left it by now."""
        if self.next_leave is None or now < self.next_leave:
            return self
        old = [segment for segment in self.segments if segment.leaves_at <= now]
        return self.with_edits({p.uid: None for segment in old for p in segment.pieces if p.leaves_at <= now})

    @property
    def is_small(self) -> bool:
        """Whether `data` is worth its memory beside the pieces."""
        return self.size <= _SMALL

    @property
    def held(self) -> int:
        """Bytes of memory that it takes, roughly: in pieces, in one piece and compressed."""
        pieces = self.size * (2 if self.is_small else 1) + 500 * self.count
        return pieces + sum(len(one.zipped.deflated) for one in self.segments if one.is_zipped)

    @property
    def unzipped(self) -> int:
        """Bytes that are still to be compressed for `compressed`."""
        return sum(len(segment.data) for segment in self.segments if not segment.is_zipped)

    def compressed(self) -> bytes:
        """The feed as one gzip member; segments that were compressed before are used again."""
        parts = self.parts
        return member([part(self.head), *(segment.zipped for segment in self.segments), part(parts[-1])])


def build(head: bytes, items: Iterable[Item]) -> FeedBody:
    """A feed of these events."""
    return FeedBody(head, tuple(_segments(list(items))))


def _cut(items: list[Item]) -> tuple[list[Segment], list[Item]]:
    """The segments that these events make, and the events after the last end of one."""
    ordered = sorted(items, key=_place)
    done: list[Segment] = []
    first = 0
    for index, (piece, _) in enumerate(ordered, 1):
        if piece.digest[0] < _CUT:
            done.append(Segment(ordered[first:index]))
            first = index
    return done, ordered[first:]


def _segments(items: list[Item]) -> list[Segment]:
    done, rest = _cut(items)
    return [*done, Segment(rest)] if rest else done


def _place(item: Item) -> Piece:
    return item[0]
