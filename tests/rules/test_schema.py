"""The JSON Schema: current, and of one mind with the loader about the form of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from bridge.core import schema as schema_module
from bridge.core.problems import RulesError
from bridge.core.rules_file import load
from bridge.core.schema import schema, schema_text
from tests.bench.rules import realistic_rules
from tests.rules.cases import CASES

VALIDATOR: Any = Draft202012Validator(schema())
STRUCTURAL = (
    "amounts",
    "events",
    "half_saved_key",
    "half_saved_rules",
    "no_rules",
    "no_version",
    "not_a_mapping",
    "nothing_there",
    "unknown_keys",
    "wrong_types",
    "wrong_version",
)
"""Cases whose form is wrong, not only what a name or a text in them means."""


def _passes(path: Path) -> bool:
    return bool(VALIDATOR.is_valid(yaml.load(path.read_bytes(), yaml.CSafeLoader)))


def _is_accepted(path: Path) -> bool:
    try:
        load(path.read_bytes())
    except RulesError:
        return False
    return True


def test_shipped_copy_is_current() -> None:
    """The copy in the package is what the tables say; `booking-bridge schema` renews it."""
    shipped = Path(schema_module.__file__).with_name("rules.schema.json")
    assert shipped.read_text() == schema_text()


def test_schema_is_valid_and_described() -> None:
    """The schema is a 2020-12 one, and every key of every table says what it does."""
    Draft202012Validator.check_schema(schema())
    assert _undescribed(schema(), "") == []


def _undescribed(value: Any, path: str) -> list[str]:
    if isinstance(value, list):
        return [name for n, item in enumerate(value) for name in _undescribed(item, f"{path}[{n}]")]
    if not isinstance(value, dict):
        return []
    properties = value.get("properties", {})
    bare = [f"{path}.{name}" for name, each in properties.items() if not each.get("description")]
    return bare + [name for key, item in value.items() for name in _undescribed(item, f"{path}.{key}")]


def test_valid_files_pass() -> None:
    """What the loader accepts, the schema accepts."""
    accepted = [path for path in CASES.glob("*.yaml") if _is_accepted(path)]
    assert len(accepted) > 4
    assert [path.name for path in accepted if not _passes(path)] == []


@pytest.mark.parametrize("name", STRUCTURAL)
def test_badly_formed_files_fail(name: str) -> None:
    """What has the wrong form, an editor marks."""
    assert not _passes(CASES / f"{name}.yaml")


def test_large_file_passes() -> None:
    """A realistic file passes too."""
    assert VALIDATOR.is_valid(yaml.load(realistic_rules(50), yaml.CSafeLoader))


@pytest.mark.parametrize(
    "text",
    [
        "rules: [{name: a, when: {event: creatd}, post: {to: x}}]",
        "rules: [{name: a, when: {starts_within: soon}, post: {to: x}}]",
        "rules: [{name: a, when: {day: monday}, post: {to: x}}]",
        "rules: [{name: a, when: {guests: {mni: 1}}, post: {to: x}}]",
        "rules: [{name: a, when: {not: [x]}, post: {to: x}}]",
        "rules: [{name: a, when: {any: []}, post: {to: x}}]",
        "rules: [{name: a}]",
        "rules: [{name: a, post: {message: m}}]",
        "rules: [{name: a, post: {to: x, style: crad}}]",
        "rules: [{name: a, post: []}]",
        "rules: [{name: a, stop: sure}]",
        "rules: [{name: a, post: {to: x}}]\nmessages: {m: {titel: x}}",
        "rules: [{name: a, post: {to: x}}]\nexamples: [{event: {type: x}}]",
    ],
)
def test_both_refuse(text: str) -> None:
    """Schema and loader refuse the same slips."""
    whole = f"version: 1\n{text}\n"
    assert not VALIDATOR.is_valid(yaml.load(whole, yaml.CSafeLoader))
    with pytest.raises(RulesError):
        load(whole.encode())
