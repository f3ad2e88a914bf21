"""Equal JSON is the same event, however it was written, whichever decoder read it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import json_body
from bridge.core.reading import NotAnEvent, read_envelope, read_event

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


_numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**60), 2**60).map(float),
    st.sampled_from([2**53, 2.0**53, 2.0**53 - 1, 1e16, 1e15, -0.0, 2**64 - 1, 2**64, 0.5, 1e-7]),
)


@given(st.lists(_numbers | st.text("0123456789.e,}]-", max_size=24), max_size=5), st.booleans())
def test_the_id_is_that_of_the_canonical_form(numbers: list[object], nested: bool) -> None:
    """Whatever numbers and texts that look like some there are, and however deep."""
    data = {"id": "b", "n": {"deep": numbers} if nested else numbers}
    body = json.dumps({"event": "booking.created", "createdAt": AT, "data": data}).encode()
    exact: object = json_body._DECODER.decode(str(body, "utf-8"))
    again = json_body.canonical(exact)
    assert read_envelope(body).id == read_envelope(again).id == read_event(body).id


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("123456789012345678901", "123456789012345678902"),
        ("18446744073709551616", "18446744073709551617"),
        ("30", "30.5"),
        ("30", '"30"'),
        ("9007199254740993", "9007199254740992.0"),
    ],
)
def test_what_differs_in_a_number_is_another_event(one: str, other: str) -> None:
    ids = {
        read_envelope(
            f'{{"event": "booking.created", "createdAt": "{AT}", "data": {{"id": "b", "n": {n}}}}}'.encode()
        ).id
        for n in (one, other)
    }
    assert len(ids) == 2


@pytest.mark.parametrize("body", ["", "{", "NaN", '{"a": NaN}', '{"a": 1e999}', "[1]", "\ufeff{}", '"\x01"'])
def test_what_is_no_json_object_is_no_event(body: str) -> None:
    with pytest.raises(NotAnEvent):
        read_envelope(body.encode())
