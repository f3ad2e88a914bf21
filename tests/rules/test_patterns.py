"""What patterns match: whole values, whatever their case and however their accents are encoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.rules.patterns import compile_pattern, value
from bridge.core.text import decomposed, fold


def _matches(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).matches(value(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße", "STRASSE"),
        ("Straße", "strasse"),
        ("jos\u00e9", "JOSE\u0301"),
        ("istanbul", "\u0130stanbul"),
        ("ISPARTA", "\u0131sparta"),
        ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03cc\u03c2".replace("\u03cc", "\u03bf")),
        ("\ufb01ne", "FINE"),
        (" Intro Call ", "intro call"),
    ],
)
def test_literals_and_globs_fold_alike(one: str, other: str) -> None:
    """What a literal matches, the same text with a star behind it matches, both ways round."""
    for pattern, text in ((one, other), (other, one)):
        assert _matches(pattern, text)
        assert _matches(f"{pattern.strip()}*", text)
        assert _matches(f"*{pattern.strip()}", text)


@pytest.mark.no_cover  # it takes long, and its code is covered by cases
def test_every_letter_is_one_character_of_a_glob() -> None:
    """Those of which folding makes two or three too, and whatever they become is matched as such."""
    many = [c for c in map(chr, range(0x110000)) if len(decomposed(c).casefold()) > len(decomposed(c))]
    assert len(many) > 10
    for c in many:
        assert _matches("?", c)
        assert not _matches("??", c)
        assert _matches(f"{fold(c)}*", c)


@given(st.text(min_size=1).filter(lambda text: text.strip() and not set(text) & set("*?/")))
def test_every_text_matches_itself(text: str) -> None:
    """As a literal and as a glob, in either case that Python knows."""
    for said in (text, text.swapcase()):
        if fold(said) == fold(text):
            assert _matches(text, said)
            assert _matches(f"{text.strip()}*", said)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("jos?", "jose\u0301", True),
        ("jos?", "jos", False),
        ("jos??", "jose", False),
        ("stra?e", "Straße", True),
        ("stra??e", "Straße", False),
        ("stra?se", "Straße", False),
        ("stra??e", "strasse", True),
        ("stra?e", "strasse", False),
        ("str*sse*", "Straße 5", True),
        ("*se", "Straße", True),
        ("STRAẞE ?", "strasse 5", True),
        ("?nde", "\ufb01nde", True),
        ("??nde", "\ufb01nde", False),
        ("fi?", "\ufb01n", True),
        ("?", "\u2060", False),
        ("a*z", "a\nz", True),
        ("a.c", "abc", False),
        ("/straße/i", "STRASSE", False),  # RE2's own folding: a regular expression sees the text as it came
    ],
)
def test_wildcards(pattern: str, text: str, expected: bool) -> None:
    """A question mark is one character with its accents."""
    assert _matches(pattern, text) is expected
