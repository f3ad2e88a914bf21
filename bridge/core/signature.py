"""Signing and verifying webhooks: `X-Copera-Signature: sha256=<hex>`, HMAC-SHA256 of the raw body.

The header's form is Copera's, from its guide on booking webhooks.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

_HEADER: Final = re.compile(r"sha256=([0-9a-f]{64})")


class Rejected(Exception):
    """The signature does not prove who sent the body; the message is the reason, for the log."""


def sign(body: bytes, secret: str) -> str:
    """The value of the signature header for this body."""
    signing = _begun(secret).copy()
    signing.update(body)
    return "sha256=" + signing.hexdigest()


@lru_cache(maxsize=64)
def _begun(secret: str) -> hmac.HMAC:
    """To be copied: making it anew takes OpenSSL longer than a body does."""
    return hmac.new(secret.encode(), digestmod="sha256")


def verify(headers: Sequence[str], body: bytes, *, secrets: Iterable[str]) -> None:
    """Return when one of the secrets signed this body, else raise Rejected.

    `headers` are all values of the signature header. Every secret is tried, whichever fits, and
    compared in constant time, so that the answer's time tells nothing.
    """
    if not headers:
        raise Rejected("the header X-Copera-Signature is missing")
    if len(headers) > 1:
        raise Rejected("the header X-Copera-Signature came more than once")
    given = headers[0].encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(sign(body, secret).encode(), given) for secret in secrets]
    if any(matches):
        return
    if not _HEADER.fullmatch(headers[0]):
        raise Rejected("the header X-Copera-Signature is not sha256= and 64 lower-case hex digits")
    raise Rejected("no secret of COPERA_WEBHOOK_SECRETS signed this body")
