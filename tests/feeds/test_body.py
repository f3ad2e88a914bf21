"""A feed's bytes after changes are those of a feed built anew, and so are its ETag and its gzip."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.feeds import body as feed_body
from bridge.core.feeds.body import Edit, FeedBody, build, edit
from bridge.core.feeds.calendar import View, head
from bridge.core.feeds.gzip_parts import member, part
from tests.feeds.calendars import BOOKING, NOW, START, check, entry

HEAD = head("Bookings")
VIEW = View()


def made(number: int, turn: int) -> Edit:
    booking = replace(BOOKING, uid=f"b{number}", start=START + timedelta(minutes=turn * 37 % 900), answers=())
    return edit(entry(replace(booking, end=None, duration=30), turn), VIEW, 90, NOW)


changes = st.lists(
    st.dictionaries(st.integers(0, 40), st.none() | st.integers(0, 50), max_size=8), min_size=1, max_size=8
)


@given(changes, st.sampled_from([1, 40, 128, 255]))
def test_changed_is_built_anew(steps: list[dict[int, int | None]], cut: int) -> None:
    """Whatever is added, moved and removed, wherever segments end: no trace of how it came to be."""
    usual, feed_body._CUT = feed_body._CUT, cut  # type: ignore[misc]
    try:
        body: FeedBody = build(HEAD, [])
        state: dict[str, Edit] = {}
        for step in steps:
            edits = {f"b{n}": made(n, turn) if turn is not None else None for n, turn in step.items()}
            state |= edits
            body = body.with_edits(edits)
            fresh = build(HEAD, [one for one in state.values() if one is not None])
            assert (body.data, body.etag, body.size) == (fresh.data, fresh.etag, len(fresh.data))
            assert (body.changed_at, body.next_leave) == (fresh.changed_at, fresh.next_leave)
            assert body.compressed() == fresh.compressed()
        check(body.data)
        assert gzip.decompress(body.compressed()) == body.data
    finally:
        feed_body._CUT = usual  # type: ignore[misc]


def test_only_what_changed_is_built() -> None:
    """Of a thousand events one changes: all segments but one or two are the same objects."""
    items = [one for n in range(1000) if (one := made(n, n % 25))]
    body = build(HEAD, items)
    after = body.with_edits({"b7": made(7, 3)})
    assert len(body.segments) > 4
    assert len(set(after.segments) - set(body.segments)) <= 2
    assert body.with_edits({"nobody": None}).etag == body.etag


def test_another_name_is_another_etag() -> None:
    body = build(HEAD, [])
    renamed = body.with_head(head("Other"))
    assert renamed.etag != body.etag
    assert renamed.data == build(head("Other"), []).data


def test_what_is_old_leaves() -> None:
    """At its time and not before; without anything old nothing is done."""
    items = [one for n in range(5) if (one := made(n, n))]
    body = build(HEAD, items)
    assert body.next_leave is not None
    assert body.without_old(body.next_leave - timedelta(seconds=1)) is body
    assert check(body.without_old(body.next_leave).data) == []


@given(st.lists(st.binary(max_size=300), max_size=12), st.integers(0, 3))
def test_gzip_of_parts(pieces: list[bytes], times: int) -> None:
    """Parts compressed by themselves make one member whose checksum and size are those of the whole."""
    parts = [part(piece * 7**times) for piece in pieces]
    assert gzip.decompress(member(parts)) == b"".join(piece * 7**times for piece in pieces)
