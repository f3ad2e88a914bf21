"""Equal JSON is the same event, however it was written, whichever decoder read it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import json_body
from bridge.core.reading import NotAnEvent, read_envelope

AT = "2026-07-06T09:00:00.000Z"
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(_values, st.booleans())
def test_the_fast_decoder_reads_what_the_exact_one_reads(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        exact: object = json_body._DECODER.decode(str(body, "utf-8"))
    except ValueError as problem:
        exact = type(problem)
    try:
        read: object = json_body.decode(body)
    except ValueError as problem:
        read = type(problem)
    assert repr(read) == repr(exact)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"id": "b", "minutes": 30}', '{"minutes":30.0,"id":"b"}'),
        ('{"id": "b", "much": 1e3}', '{"id": "b", "much": 1000}'),
        ('{"id": "b", "much": 123456789012345678901}', '{"much": 123456789012345678901, "id": "b"}'),
        ('{"id": "b", "name": "\\ud83d\\ude00"}', '{"id": "b", "name": "\U0001f600"}'),
        ('{"id": "b", "name": "\\ud83d"}', '{"name": "\\ud83d", "id": "b"}'),
    ],
)
def test_a_repeat_that_was_written_anew_is_the_same_event(one: str, other: str) -> None:
    ids = {
        read_envelope(f'{{"event": "booking.created", "createdAt": "{AT}", "data": {data}}}'.encode()).id
        for data in (one, other)
    }
    assert len(ids) == 1


@pytest.mark.parametrize("body", ["", "{", "NaN", '{"a": NaN}', '{"a": 1e999}', "[1]", "\ufeff{}", '"\x01"'])
def test_what_is_no_json_object_is_no_event(body: str) -> None:
    with pytest.raises(NotAnEvent):
        read_envelope(body.encode())
