"""Where events go, as files: rules, events in short form, and every destination in order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.core.bookings import Directory
from bridge.core.reading import read_member, read_type
from bridge.core.routing import Decision, route
from bridge.core.rules.examples import read_short
from bridge.core.rules.explaining import explain, explain_lines
from bridge.core.rules.file import load
from bridge.core.rules.rules import Rules

CASES = Path(__file__).parent.parent / "cases" / "routing"


def _cases() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        case = yaml.load(path.read_text(), _Plain)
        found += [pytest.param(case, row, id=f"{path.stem}-{n}") for n, row in enumerate(case["events"])]
    return found


class _Plain(yaml.CSafeLoader):
    """YAML without dates and the other words that are not what they seem."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _decide(case: dict[str, Any], row: dict[str, Any]) -> tuple[Rules, Decision, Any]:
    rules = load(case["file"].encode(), can_look_up=True).rules
    directory = Directory(map(read_member, case.get("members", [])), rules.people)
    types = {each.id: each for each in map(read_type, case.get("types", []))}
    event, previous = read_short(json.dumps(row["event"]).encode(), rules, directory=directory)
    if "type_id" in row:
        event = replace(event, booking=replace(event.booking, type_id=row["type_id"]))
    decision = route(event, rules, directory=directory, types=types, previous=previous)
    return rules, decision, event


@pytest.mark.parametrize(("case", "row"), _cases())
def test_destinations(case: dict[str, Any], row: dict[str, Any]) -> None:
    """The event goes exactly there, in this order."""
    _, decision, _ = _decide(case, row)
    matches = decision.matches
    assert [match.destination for match in matches] == row["posts"]
    if "rules" in row:
        assert [match.rule for match in matches] == row["rules"]
    if "styles" in row:
        assert [match.style for match in matches] == row["styles"]
    for name in ("former", "broadcast", "mention"):
        if name in row:
            assert [str(getattr(match, name)).lower() for match in matches] == row[name]


@pytest.mark.parametrize(("case", "row"), _cases())
def test_trace_agrees(case: dict[str, Any], row: dict[str, Any]) -> None:
    """Every rule has its step, those that posted matched, and a miss says what was wanted and found."""
    rules, decision, event = _decide(case, row)
    steps = {step.rule: step for step in decision.trace}
    assert [step.rule for step in decision.trace][: len(rules.rules)] == [rule.name for rule in rules.rules]
    assert all(steps[match.rule].matched for match in decision.matches)
    for rule in rules.rules:
        step = steps[rule.name]
        assert step.line == rule.line
        assert bool(step.wanted and step.got) == (not step.matched and step.reached)
        assert step.matched or not any(match.rule == rule.name for match in decision.matches)
    assert json.loads(json.dumps(explain(event, decision)))["destinations"] == [
        {**each, "destination": posted}
        for each, posted in zip(explain(event, decision)["destinations"], row["posts"], strict=True)
    ]
    assert explain_lines(event, decision)[-1] != ""


def test_explained_lines() -> None:
    """The report names every rule, why it was skipped, and every destination."""
    rules = load(
        b"version: 1\nrules:\n"
        b'  - {name: big, when: {booker: "*@bigco.com", guests: {min: 2}}, post: {to: "#big"}}\n'
        b"  - {name: free, when: {not: {type: Intro*}}, post: {to: '#free'}}\n"
        b'  - {name: sales, when: {type: Intro Call}, post: {to: "@host", mention: host}, stop: true}\n'
        b"  - {name: late, when: {time: 18:00-24:00}, post: {to: '#late'}}\n"
        b"otherwise: {post: {to: rest}}\n"
    ).rules
    event, _ = read_short(b"{type: Intro Call, booker: eva@bigco.com, guests: 1}", rules)
    decision = route(event, rules, directory=Directory())
    assert explain_lines(event, decision, {"host:example-host": "Ana Lima"}) == [
        "created: Intro Call",
        "  ✗ big (line 3): skipped",
        "      guests: wanted at least 2, got 1",
        "  ✗ free (line 4): skipped",
        "      not: wanted not (type: Intro*), got type: Intro Call",
        "  ✓ sales (line 5): matched, and stopped here",
        "  - late (line 6): not reached, an earlier rule stopped",
        "  ✗ otherwise (line 7): skipped",
        "      wanted no rule posted and none stopped, got 'sales' stopped",
        "posts to",
        "  Ana Lima (by sales, card, mentions host)",
    ]


@pytest.mark.parametrize(
    ("when", "event", "wanted", "got"),
    [
        ("event: [cancelled, declined]", "{}", "cancelled or declined", "created"),
        ("type: Demo", "{}", "Demo", "nothing"),
        ("host: Ana", "{host: h9}", "Ana", "h9"),
        ("answers: {Topic: a*}", "{answers: {Topic: [b, c]}}", "a*", "b, c"),
        ("answers: {Topic: a*}", "{}", "a*", "nothing"),
        ("duration: {min: 1h, max: 90m}", "{duration: 30m}", "1h to 1h30m", "30m"),
        ("guests: {max: 1}", "{guests: 2}", "at most 1", "2"),
        ("starts_within: 2h", "{starts_in: 1d}", "at most 2h after the event", "1d after the event"),
        ("starts_after: 2h", "{starts_in: -20m}", "more than 2h after the event", "20m before the event"),
        ("day: weekend", "{start: 2026-07-06T10:00}", "weekend", "mon in UTC"),
        ("time: 09:00-10:00", "{start: 2026-07-06T10:00}", "09:00-10:00", "10:00 in UTC"),
        ("any: [{type: A}, {guests: 1}]", "{type: B}", "(type: A) or (guests: 1)", "type: B; guests: 0"),
    ],
)
def test_reasons(when: str, event: str, wanted: str, got: str) -> None:
    """The first condition that fails says what it wanted and what there was."""
    rules = load(f"version: 1\nrules:\n  - when: {{{when}}}\n    post: {{to: x}}\n".encode()).rules
    happened, _ = read_short(event.encode(), rules)
    (step,) = route(happened, rules, directory=Directory()).trace
    assert (step.matched, step.wanted, step.got) == (False, wanted, got)
