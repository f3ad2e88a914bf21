"""JSON as it was signed: equal documents are read to equal values, and written as equal bytes."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Final

import msgspec


def decode(body: bytes) -> object:
    """The JSON of a body, numbers as they are: 30.0 is 30. Raises ValueError, RecursionError."""
    try:
        return _FAST.decode(body)
    except msgspec.DecodeError:  # half a surrogate pair, for one
        return _DECODER.decode(str(body, "utf-8"))


def loads(body: bytes | str) -> object:
    """The JSON of another service's answer, or of ours. Raises ValueError, RecursionError."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(body)
    return json.loads(body)


def fields(document: bytes) -> dict[str, object] | None:
    """What can be read of an object's values, each by itself; None where it is no object. Never raises."""
    try:
        cut = _CUT.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return None
    found: dict[str, object] = {}
    for name, value in cut.items():
        with suppress(ValueError, RecursionError):
            found[name] = loads(bytes(value))
    return found


def canonical(value: object) -> bytes:
    """The same bytes for equal JSON: keys sorted, nothing optional. Raises RecursionError."""
    try:
        return _SORTED.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def as_json(value: object) -> str:
    """JSON for another service, or to be kept."""
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, TypeError):  # half a surrogate pair, or a text of a kind of its own
        return json.dumps(value)


def kept(text: str) -> dict[str, object]:
    """An object that `as_json` wrote."""
    found: dict[str, object] = msgspec.json.decode(text)
    return found


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _number(digits: str) -> float | int:
    """30.0 and 30 are the same number, so that both give the same identity."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(digits)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_CUT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SORTED: Final = msgspec.json.Encoder(order="sorted")
_FAST: Final = msgspec.json.Decoder(float_hook=_number)
_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_number)
