"""A booker's text in a web address of the admin's is one piece of it, and never leads elsewhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.core.messages.block_rules import violations
from bridge.core.messages.messages import render
from tests.messages import building

PLACES = (
    "https://crm.example.com/find?who={{ booking.booker.name }}&from=slack",
    "https://crm.example.com/{{ booking.booker.name }}/edit",
    "https://{{ booking.booker.name }}.example.com/",
    "https://crm.example.com{{ booking.booker.name }}",
    "{{ 'https://crm.example.com/?q=' ~ booking.booker.name }}",
    "https://crm.example.com/#{{ booking.booker.name | lower }}",
)


def _blocks(address: str) -> list[Any]:
    text = {"type": "plain_text", "text": "Open"}
    return [
        {"type": "image", "image_url": address, "alt_text": "picture"},
        {"type": "actions", "elements": [{"type": "button", "text": text, "url": address}]},
    ]


def _addresses(source: str, name: str) -> tuple[str, list[str]]:
    """What went wrong, and the address as an image's, a button's and a link's."""
    rules = building.rules(
        messages={"own": {"blocks": _blocks(source)}, "parts": {"title": "x", "links": {"Open": source}}}
    )
    scene = building.scene(booker={"name": name, "email": "x@example.com"})
    own, parts = render(scene, rules, message="own"), render(scene, rules, message="parts")
    if own.problem:
        return own.problem, []
    assert violations(own.blocks) == []
    links = [word for word in building.everything(parts).replace("|", " ").split() if word[:9] == "<https://"]
    blocks: Any = own.blocks
    found = [blocks[0]["image_url"], blocks[1]["elements"][0]["url"]]
    return "", [*found, *(link[1:].replace("&amp;", "&") for link in links[:1])]


@given(st.sampled_from(PLACES), st.text(max_size=30))
@example(PLACES[0], "Eva & Ben #1 ü?=/ |>")
@example(PLACES[2], "evil.com/")
@example(PLACES[3], "@evil.com/")
@example(PLACES[3], ".evil.com")
@example(PLACES[3], ":80@evil.com")
@example(PLACES[4], "x#y z")
@example(PLACES[1], "../../\\evil")
def test_values_lead_nowhere_else(source: str, name: str) -> None:
    """The scheme is the admin's and so is the host; nothing in the address needs escaping."""
    problem, found = _addresses(source, name)
    assert problem == ""
    for address in found:
        parts = urlsplit(address)
        assert parts.scheme == "https"
        assert parts.username is None
        assert parts.port is None
        host = parts.hostname or ""
        assert host.endswith(".example.com") or host.startswith("crm.example.com")
        assert host.count(".") <= 2
        assert address.isascii()
        assert not set(address) & set(' <>|"\\')


def test_a_value_is_one_parameter() -> None:
    """What a booker types adds no parameter and takes none away."""
    _, found = _addresses(PLACES[0], "Eva & Ben=#1 +%26")
    assert len(found) == 3
    for address in found:
        assert parse_qs(urlsplit(address).query) == {"who": ["Eva & Ben=#1 +%26"], "from": ["slack"]}


def test_a_value_may_be_the_whole_address() -> None:
    """Such as the link to a meeting: as it is, but fit for Slack."""
    _, found = _addresses("{{ booking.booker.name }}", "https://meet.example.com/a b?x=1&y=2#z")
    assert set(found) == {"https://meet.example.com/a%20b?x=1&y=2#z"}


@pytest.mark.parametrize("name", ["javascript:alert(1)", "meet.example.com", "ftp://x.example"])
def test_only_web_addresses_are_sent(name: str) -> None:
    """Anything else fails at its place, and the default message takes over."""
    problem, _ = _addresses("{{ booking.booker.name }}", name)
    assert "expected an http or https address" in problem
