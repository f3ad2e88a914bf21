"""Signatures: what does not prove the sender is refused for a reason, however odd the header is."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.signature import Rejected, sign, verify

BODY = b'{"event": "booking.created"}'
RIGHT = sign(BODY, "secret")
FORM = "the header X-Copera-Signature is not sha256= and 64 lower-case hex digits"
UNKNOWN = "no secret of COPERA_WEBHOOK_SECRETS signed this body"


@given(st.binary(), st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_signature_is_the_hmac_of_the_raw_body(body: bytes, secret: str) -> None:
    """As any other implementation of RFC 2104 makes it, each time anew."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert [sign(body, secret), sign(body, secret)] == [expected] * 2
    verify([expected], body, secrets=["another", secret])


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "the header X-Copera-Signature is missing"),
        ([RIGHT, RIGHT], "the header X-Copera-Signature came more than once"),
        ([""], FORM),
        ([RIGHT.upper()], FORM),
        ([RIGHT + " "], FORM),
        ([RIGHT[:-1]], FORM),
        ([RIGHT[:-1] + "\n"], FORM),
        (["sha256=" + "\uff11" * 64], FORM),
        (["sha256=" + "\ud800" * 64], FORM),
        ([sign(BODY + b" ", "secret")], UNKNOWN),
        ([sign(BODY, "secrets")], UNKNOWN),
    ],
)
def test_what_proves_nothing_is_rejected(headers: list[str], reason: str) -> None:
    with pytest.raises(Rejected) as raised:
        verify(headers, BODY, secrets=["other", "secret"])
    assert str(raised.value) == reason
