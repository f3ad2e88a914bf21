"""What `check` says, as files: one rules file and the exact lines beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import RulesError
from tests.rules.cases import CASES, check

TWO_PLACES = b'version: 1\nrules:\n  - post: {to: ["@host", "webhook:missing"]}\n'
FILES = sorted(CASES.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_report(path: Path) -> None:
    """Every problem of the file is told at its own place, in one run."""
    assert check(path) == path.with_suffix(".txt").read_text().splitlines()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_places_are_inside_the_file(path: Path) -> None:
    """An editor can jump to every problem."""
    try:
        problems = load(path.read_bytes()).warnings
    except RulesError as error:
        problems = error.problems
    lines = path.read_bytes().decode(errors="replace").split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


@pytest.mark.parametrize(
    ("problem", "webhooks", "can_look_up"),
    [
        ("the webhook 'MISSING' is not configured", {"OPS"}, True),
        ("no host can be found in Slack", {"OPS", "missing"}, False),
    ],
)
def test_what_the_environment_decides(problem: str, webhooks: set[str], can_look_up: bool) -> None:
    """Where no bridge is set up, webhooks and the look-up of hosts are warned of when they are missing."""
    loaded = load(TWO_PLACES, webhooks=webhooks, can_look_up=can_look_up, is_set_up=False)
    said = [each.message for each in loaded.warnings]
    assert len(said) == 1
    assert said[0].startswith(problem)
    assert load(TWO_PLACES, webhooks=None, can_look_up=True).warnings == ()


@pytest.mark.parametrize(
    ("webhooks", "hint"), [((), ""), (("OPS",), ""), (("MISSIN",), " (did you mean 'MISSIN'?)")]
)
def test_a_webhook_that_is_not_configured_is_an_error(webhooks: tuple[str, ...], hint: str) -> None:
    """A bridge that is set up cannot post there; no webhook at all is no excuse."""
    with pytest.raises(RulesError) as raised:
        load(TWO_PLACES, webhooks=webhooks, can_look_up=True)
    assert str(raised.value).splitlines() == [
        "rules.yaml:3:26: rules[0].post.to: the webhook 'MISSING' is not configured"
        f"{hint}; set SLACK_WEBHOOK_MISSING",
        "1 problem",
    ]


def test_rules_are_what_was_written() -> None:
    """A loaded file gives its values, and a hash that changes with the text."""
    text = (CASES / "good_every_key.yaml").read_bytes()
    rules = load(text).rules
    assert rules.hash != load(text + b"\n").rules.hash
    assert len(rules.hash) == 12
    assert rules.settings.timezone.key == "Europe/Lisbon"
    assert (rules.settings.show.email, rules.settings.show.phone) == (False, True)
    assert rules.settings.alerts_to == "webhook:OPS"
    assert rules.types["intro-call"].emoji == ":tada:"
    (rule,) = rules.rules
    assert rule.stop
    assert rule.line == 7
    assert rule.posts[0].to == ("C0123ABCD", "@ana@example.com", "U012AB3CD", "@host")
    assert rule.posts[0].broadcast == {"cancelled"}
    assert rule.posts[1].style == "post"
    assert rules.otherwise[0].to == ("#rest",)
