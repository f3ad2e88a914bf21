"""One gzip member (RFC 1952) of parts that were compressed each by itself, and may be used again.

The checksum at its end is that of the whole. It is put together from the parts' own, so that a change
of one part costs that part and not the megabytes around it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_END: Final = b"\x03\x00"  # an empty last block
_POLYNOMIAL: Final = 0xEDB88320  # of CRC-32, the lowest power in the highest bit
_ONE: Final = 1 << 31
_X: Final = 1 << 30
_LEVEL: Final = 6


class Part(NamedTuple):
    """A part: compressed, and what the checksum of the whole needs of it.

    `shift` is x to the power of eight times its `size`, modulo the polynomial.
    """

    deflated: bytes
    size: int
    checksum: int
    shift: int


def part(data: bytes) -> Part:
    """Compress a part by itself, ended on a byte (a full flush, RFC 1951)."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)
    return Part(deflated, len(data), zlib.crc32(data), _shift(len(data)))


def member(parts: Iterable[Part]) -> bytes:
    """The gzip member of these parts in a row."""
    pieces = [_HEAD]
    checksum = size = 0
    for one in parts:
        pieces.append(one.deflated)
        checksum = _product(one.shift, checksum) ^ one.checksum
        size += one.size
    ends = checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
    return b"".join([*pieces, _END, ends])


def _product(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo CRC-32's."""
    result = 0
    while one:
        if one & _ONE:
            result ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return result


def _shift(size: int) -> int:
    """x to the power of eight times `size`: what appending so many bytes does to a checksum."""
    result, bit, rest = _ONE, 3, size
    while rest:
        if rest & 1:
            result = _product(_power(bit), result)
        rest >>= 1
        bit += 1
    return result


@lru_cache(maxsize=128)
def _power(bit: int) -> int:
    """x to the power of 2**bit."""
    if bit == 0:
        return _X
    half = _power(bit - 1)
    return _product(half, half)
