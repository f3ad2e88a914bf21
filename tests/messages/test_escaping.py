"""Nobody's text can format, link, mention or be cut into something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.messages.escaping import cut, cut_plain, disarm, escape, inline, plain_size, size, unescape
from bridge.core.messages.markup import link, mail, typed, web_address
from tests.messages.slack_limits import assert_safe, utf16

SLACK_TEXT = st.text(st.sampled_from("ab &<>*_~`:|!@#\n\U0001f600é/.;"), max_size=60)


@pytest.mark.parametrize(
    ("typed_text", "shown"),
    [
        ("plain", "plain"),
        ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
        ("&lt;", "&amp;lt;"),
        ("*bold* _it_ ~no~ `code`", "∗bold∗ ˍitˍ ∼no∼ ˋcodeˋ"),
        ("first_last@example.com 2*3", "first_last@example.com 2*3"),
        ("> quoted\n  > again\na > b", "› quoted\n  › again\na &gt; b"),
        (":tada: 10:30:45 a:b", ":\u2060tada: 10:30:45 a:b"),
        ("<!channel> <@U1> <https://x|y>", "&lt;!channel&gt; &lt;@U1&gt; &lt;https://x|y&gt;"),
    ],
)
def test_typed_text_is_inert(typed_text: str, shown: str) -> None:
    """Marks that could format become look-alikes; those within a word stay, so addresses can be copied."""
    assert inline(typed_text) == shown


@given(st.text())
def test_escaping_can_be_undone(text: str) -> None:
    """Exactly three characters are entities and nothing is lost."""
    assert unescape(escape(text)) == text


@given(SLACK_TEXT, st.integers(1, 60))
def test_cuts_keep_sequences_whole(text: str, limit: int) -> None:
    """A cut never leaves half an entity or half a link, and is never too long."""
    mrkdwn = f"{inline(text)}<https://example.com/|{inline(text[:5]) or 'x'}>{inline(text)}"
    short = cut(mrkdwn, limit)
    assert utf16(short) <= limit
    if "|" not in text:
        assert_safe(short)
    assert short == mrkdwn or short.endswith("…")


@given(st.text(), st.integers(1, 40))
def test_plain_cuts_count_what_slack_may_count(text: str, limit: int) -> None:
    """Plain text fits even when Slack escapes it before it counts."""
    assert plain_size(cut_plain(text, limit)) <= limit
    assert size(text) == utf16(text)


def test_plain_text_holds_nothing_that_looks_like_a_sequence() -> None:
    """Slack interprets nothing in plain_text; other clients get no chance to."""
    assert disarm("<!here> <@U1> <b> 1 < 2") == "‹!here> ‹@U1> ‹b> 1 < 2"


@pytest.mark.parametrize(
    ("given_address", "address"),
    [
        ("https://example.com/a b|c>", "https://example.com/a%20b%7Cc%3E"),
        ("HTTPS://example.com/?a=1&b=%20", "https://example.com/?a=1&b=%20"),
        ("https://пример.example/ü", "https://%D0%BF%D1%80%D0%B8%D0%BC%D0%B5%D1%80.example/%C3%BC"),
        ("javascript:alert(1)", ""),
        ("ftp://example.com", ""),
        ("https://", ""),
        ("example.com", ""),
        ("https://example.com/" + "a" * 2_000, ""),
    ],
)
def test_only_web_addresses_become_links(given_address: str, address: str) -> None:
    """Anything but http and https stays text; what would end a link is percent-encoded."""
    assert web_address(given_address) == address


def test_a_link_without_a_label_shows_where_it_leads() -> None:
    """The reader sees the site before the click, whatever stands in front of an @."""
    made = link("https://slack.com@evil.example.com/login?x")
    assert made.mrkdwn == "<https://slack.com@evil.example.com/login?x|evil.example.com>"
    assert made.text == "https://slack.com@evil.example.com/login?x"
    assert link("nowhere", "a|b") == typed("a|b")


@pytest.mark.parametrize("address", ["a@b|c.com", "<!here>@x.com", "no at", "a b@example.com", "a@b.com>"])
def test_only_addresses_get_a_mailto(address: str) -> None:
    """What is not an e-mail address is shown as typed."""
    assert mail(address) == typed(address)
