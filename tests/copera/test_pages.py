"""A page is read as `json.loads` reads it, and each item is there as it was written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.pages import read_page

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(st.text(max_size=6) | st.just("bookings"), values | st.lists(values), max_size=5)


@given(documents, st.sampled_from([None, 0, 2]), st.booleans())
def test_read_as_json(document: dict[str, Any], indent: int | None, ascii_only: bool) -> None:
    text = f" \n{json.dumps(document, indent=indent, ensure_ascii=ascii_only)}\t"
    fields, items = read_page(text.encode(), "bookings")
    expected = dict(document)
    listed = expected.pop("bookings", None)
    assert fields == expected
    if isinstance(listed, list):
        assert items is not None
        assert [json.loads(item) for item in items] == listed
    else:
        assert items is None


@given(st.text(st.sampled_from('{}[]",:1 ab\\'), max_size=20))
def test_accepts_what_json_accepts(text: str) -> None:
    """Nothing but objects, and every object."""
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    if isinstance(expected, dict):
        read_page(text.encode(), "a")
    else:
        with pytest.raises(ValueError):
            read_page(text.encode(), "a")


def test_an_item_is_not_rewritten() -> None:
    """Its digest is that of the octets that came."""
    fields, items = read_page(b'{"more": true, "a": [ {"b" : 1.0 ,"c":"\\u00e9"},\n[1, 2], 3 ]}', "a")
    assert items == [b'{"b" : 1.0 ,"c":"\\u00e9"}', b"[1, 2]", b"3"]
    assert fields == {"more": True}


@pytest.mark.parametrize(
    "body", [b'{"a": ["\xff"]}', b'{"\xff": 1}', b'{"a": [1,]}', b'{"a": [01]}', b'{"a": [1']
)
def test_what_is_cut_out_is_checked_all_the_same(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_page(body, "a")
