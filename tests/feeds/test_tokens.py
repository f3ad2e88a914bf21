"""Feed addresses: only who has the secret can make one, and it tells nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.feeds.tokens import DETAILS, LONGEST_ALARM, FeedTokens, Options

TOKENS = FeedTokens("s" * 40)
options = st.builds(Options, st.sampled_from(DETAILS), st.integers(0, LONGEST_ALARM))


@given(st.text(st.characters(codec="utf-8")), st.integers(0, 2**31), options)
def test_a_token_is_read_back(who: str, generation: int, chosen: Options) -> None:
    """What was put in comes out, for the right generation and secret and no other."""
    token = TOKENS.token(who, generation, chosen)
    claim = TOKENS.read(token)
    assert (claim.handle, claim.options) == (TOKENS.handle(who), chosen)
    assert TOKENS.verify(claim, generation)
    assert not TOKENS.verify(claim, generation + 1)
    assert not FeedTokens("t" * 40).verify(claim, generation)


@given(st.text() | st.from_regex(r"[a-z2-7]{40}", fullmatch=True))
def test_what_was_not_made_here_is_refused(token: str) -> None:
    """Anything may be tried; nothing raises, nothing holds."""
    assert not TOKENS.verify(TOKENS.read(token), 0)


def test_no_letter_can_be_changed() -> None:
    token = TOKENS.token("host:ana", 0, Options("busy", 15))
    for place, letter in enumerate(token):
        other = "a" if letter != "a" else "b"
        assert not TOKENS.verify(TOKENS.read(token[:place] + other + token[place + 1 :]), 0)


def test_a_token_is_stable_and_short() -> None:
    """The same for ever, or every calendar would lose its address."""
    token = TOKENS.token("host:ana", 0, Options())
    assert token == FeedTokens("s" * 40).token("host:ana", 0, Options())
    assert token == "7fw45m7bazfaaaeiluibdgqqzialn4qhusqwi532"
    assert (
        len({TOKENS.token("host:ana", n, Options(d, a)) for n in (0, 1) for d in DETAILS for a in (0, 5)})
        == 12
    )


def test_alarms_have_a_limit() -> None:
    with pytest.raises(ValueError, match="between"):
        Options("full", LONGEST_ALARM + 1)
