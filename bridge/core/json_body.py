"""JSON as it was signed: equal documents are read to equal values, and written as equal bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import orjson


def decode(body: bytes) -> object:
    """The JSON of a body, by the faster decoder where both must agree. Raises ValueError, RecursionError."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:  # half a surrogate pair, or deep nesting
        return _DECODER.decode(str(body, "utf-8"))
    return _DECODER.decode(str(body, "utf-8")) if _has_fraction((document,)) else document


def loads(body: bytes | str) -> object:
    """The JSON of another service's answer, where 30.0 need not be 30. Raises ValueError, RecursionError.

    An integer of more than 64 bits may become a float.
    """
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return json.loads(body)


def _has_fraction(values: Iterable[object]) -> bool:
    """Whether there is a number that is no integer of 64 bits. Raises RecursionError."""
    for value in values:
        kind = type(value)  # of orjson's making, so never a subclass; isinstance costs twice as much
        if kind is str:
            continue
        if kind is float:
            return True
        if kind is dict:
            if _has_fraction(value.values()):  # type: ignore[attr-defined]
                return True
        elif kind is list and _has_fraction(value):  # type: ignore[arg-type]
            return True
    return False


def canonical(value: object) -> bytes:
    """The same bytes for equal JSON: keys sorted, nothing optional."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):  # half a surrogate pair, or a number of more than 64 bits
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def as_json(value: object) -> str:
    """JSON for another service."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):
        return json.dumps(value)


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _number(digits: str) -> float | int:
    """30.0 and 30 are the same number, so that both give the same identity."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_number)
