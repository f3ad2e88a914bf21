"""Feed addresses: unguessable, derived from the secret, so that nothing secret is stored.

A token is 40 letters and digits (base32 of 25 bytes): 7 bytes that stand for whom it shows, 2 bytes of
options, and a signature of 16 bytes. Both the first and the last are HMAC-SHA256 under BRIDGE_SECRET, so a
token holds no personal data and cannot be made or changed without the secret. Whether a token is ours
is told by calculation alone: a wrong one costs the same two hashes as a right one and no look-up.
A feed's `generation` is signed too; raising it revokes every address of that feed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final, Literal, get_args

Detail = Literal["full", "title", "busy"]
DETAILS: Final[tuple[Detail, ...]] = get_args(Detail)
LONGEST_ALARM: Final = 10 * 24 * 60
"""Minutes: ten days, which fit in the 14 bits that a token has for them."""

_LENGTH: Final = 40
_ALARM_BITS: Final = 14


@dataclass(frozen=True, slots=True)
class Options:
    """What an address shows: everything, titles, or only when; `alarm` minutes before the start, 0 never."""

    detail: Detail = "full"
    alarm: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.alarm <= LONGEST_ALARM:
            raise ValueError(f"an alarm is between 0 and {LONGEST_ALARM} minutes")


@dataclass(frozen=True, slots=True)
class Claim:
    """A token taken apart: it claims to be the address of `handle`, and says nothing until checked."""

    handle: str
    options: Options
    signature: bytes


_NOBODY: Final = Claim("0" * 14, Options(), bytes(16))


class FeedTokens:
    """Makes tokens and checks them. Holds a key derived from the secret, which it never shows."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"booking-bridge feed addresses 1", "sha256")

    def handle(self, who: str) -> str:
        """What stands for `who` in addresses: 14 hex digits that tell nothing about it."""
        return self._digest(b"who", who.encode())[:7].hex()

    def token(self, who: str, generation: int, options: Options) -> str:
        """The token of the address that shows `who` in this way."""
        handle = bytes.fromhex(self.handle(who))
        said = handle + _pack(options)
        return base64.b32encode(said + self._sign(said, generation)).decode().lower()

    def read(self, token: str) -> Claim:
        """Take a token apart; what cannot be one becomes the claim of nobody. Never raises."""
        if len(token) != _LENGTH or not token.isascii() or token != token.lower():
            return _NOBODY
        try:
            raw = base64.b32decode(token.upper())
        except binascii.Error:
            return _NOBODY
        detail, alarm = divmod(int.from_bytes(raw[7:9], "big"), 1 << _ALARM_BITS)
        if detail >= len(DETAILS) or alarm > LONGEST_ALARM:
            return _NOBODY
        return Claim(raw[:7].hex(), Options(DETAILS[detail], alarm), raw[9:])

    def verify(self, claim: Claim, generation: int) -> bool:
        """Whether this secret signed the claim for this generation; in constant time."""
        said = bytes.fromhex(claim.handle) + _pack(claim.options)
        return hmac.compare_digest(self._sign(said, generation), claim.signature)

    def _sign(self, said: bytes, generation: int) -> bytes:
        return self._digest(b"seal", said + generation.to_bytes(8, "big"))[:16]

    def _digest(self, purpose: bytes, message: bytes) -> bytes:
        return hmac.digest(self._key, purpose + b"\0" + message, "sha256")


def _pack(options: Options) -> bytes:
    return ((DETAILS.index(options.detail) << _ALARM_BITS) | options.alarm).to_bytes(2, "big")
