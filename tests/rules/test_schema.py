"""The JSON Schema: current, and of one mind with the loader about the form of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from bridge.core.rules import schema as schema_module
from bridge.core.rules.file import load
from bridge.core.rules.schema import schema, schema_text
from bridge.core.yaml_file.problems import RulesError
from tests.bench.rules import realistic_rules
from tests.rules.cases import CASES

VALIDATOR: Any = Draft202012Validator(schema())
MEANING = {"duplicate_keys", "unknown_message", "yaml_merge"}
"""Cases whose form is good, or gets lost when YAML is read, but not what a name in them means."""


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
    properties = value.get("properties", {}) if "additionalProperties" in value else {}
    bare = [f"{path}.{name}" for name, each in properties.items() if not each.get("description")]
    return bare + [name for key, item in value.items() for name in _undescribed(item, f"{path}.{key}")]


def test_valid_files_pass() -> None:
    """What the loader accepts, the schema accepts."""
    accepted = [path for path in CASES.glob("*.yaml") if _is_accepted(path)]
    assert len(accepted) > 4
    assert [path.name for path in accepted if not _passes(path)] == []


def _is_yaml(path: Path) -> bool:
    try:
        yaml.load(path.read_bytes(), yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeError):
        return False
    return True


REFUSED = [path for path in sorted(CASES.glob("*.yaml")) if _is_yaml(path) and not _is_accepted(path)]


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_badly_formed_files_fail(path: Path) -> None:
    """Whatever the loader refuses, an editor marks, unless only the loader can know."""
    assert _passes(path) is (path.stem in MEANING)


GOOD_TITLE = "{{ {'a': 1}[booking.type] }} {x } }} {% if 1 %}%{% endif %}{# a # b #} < <b> {{ '}}' }}"
GOOD = {
    "version": 1,
    "rules": [
        {"post": {"to": ["sales", "#sälés", "日本", "C012AB3CD", "U012AB3CD", "_a-b_", 5, " #b "]}},
        {"post": {"to": ["@host", " @Host ", "@ana@example.com"], "mention": "S012AB3CD"}, "name": 5},
        {"post": [{"to": "webhook:OPS"}, {"to": "Webhook: ops_2", "style": "post"}]},
        {"when": {"type": ["a/b", "*/*", "/a/", "/a/i", " x ", 5, True]}, "stop": True},
    ],
    "otherwise": {"post": {"to": "#host", "message": "m"}},
    "types": {"a": {"emoji": "🇵🇹"}, "b": {"emoji": ":+1::skin-tone-2:"}, "c": {"emoji": "👩🏽‍💻"}},
    "messages": {
        "m": {
            "title": GOOD_TITLE,
            "body": 5,
            "links": {"a": "{{ booking.location.url }}", "b": " HTTPS://x.example/{{ booking.id }} "},
        }
    },
}
"""What is at the edges of what can be written."""


def test_both_accept() -> None:
    """Schema and loader take the same."""
    load(json.dumps(GOOD, ensure_ascii=False).encode())
    assert list(VALIDATOR.iter_errors(GOOD)) == []


def test_patterns_have_words() -> None:
    """An editor says what is expected in words, and does not show its user a regular expression."""
    assert _wordless(schema()) == []


def _wordless(value: Any) -> list[str]:
    asked = {"if"}  # no one is told of a condition
    items = value if isinstance(value, list) else []
    items = [v for k, v in value.items() if k not in asked] if isinstance(value, dict) else items
    bare = [value["pattern"]] if isinstance(value, dict) and isinstance(value.get("pattern"), str) else []
    bare = [] if isinstance(value, dict) and "patternErrorMessage" in value else bare
    return bare + [name for item in items for name in _wordless(item)]


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
        "rules: [{name: a, when: {guests: {}}, post: {to: x}}]",
        "rules: [{name: a, when: {duration: {}}, post: {to: x}}]",
        "rules: [{name: a, stop: false}]",
        "rules: [{name: a, stop: 'off'}]",
        "rules: [{name: a, post: {to: x, mention: 5}}]",
        "rules: [{name: a, post: {to: x, mention: hots}}]",
        "rules: [{name: a, post: {to: 'webhook:OPS', style: card}}]",
        "rules: [{name: a, post: {to: [x, 'Webhook:OPS'], style: card}}]",
        "rules: []\nmessages: {m: {}}",
        "rules: []\nmessages: {m: {title: x, blocks: [{type: divider}]}}",
        "rules: [{name: a, post: {message: m}}]",
        "rules: [{name: a, post: {to: x, style: crad}}]",
        "rules: [{name: a, post: []}]",
        "rules: [{name: a, stop: sure}]",
        "rules: [{name: a, post: {to: x}}]\nmessages: {m: {titel: x}}",
        "rules: [{name: a, post: {to: x}}]\nexamples: [{event: {type: x}}]",
        "rules: [{name: a, post: {to: x}}]\nexamples: [{event: {type: x}, posts: '@bob'}]",
        "rules: [{name: otherwise, post: {to: x}}]",
        "rules: [{name: ' ', post: {to: x}}]",
        "rules: [{name: a, post: {to: '#the sales'}}]",
        "rules: [{name: a, post: {to: '@ana'}}]",
        "rules: [{name: a, post: {to: ['#a, #b']}}]",
        "rules: [{name: a, post: {to: ana@example.com}}]",
        "rules: [{name: a, post: {to: 'https://x.example'}}]",
        "rules: [{name: a, post: {to: host}}]",
        "rules: [{name: a, when: {type: ''}, post: {to: x}}]",
        "rules: [{name: a, when: {type: [/open]}, post: {to: x}}]",
        "rules: [{name: a, when: {booker: {email: /x/g}}, post: {to: x}}]",
        "rules: [{name: a, when: {answers: {T: '//'}}, post: {to: x}}]",
        "rules: []\nsettings: {alerts_to: '#the ops'}",
        "rules: []\ntypes: {a: {emoji: tada}}",
        "rules: []\npeople: {a: {email: ana}}",
        "rules: []\npeople: {a: {slack: '@ana'}}",
        "rules: []\nmessages: {m: {title: '{{ booking.type }'}}",
        "rules: []\nmessages: {m: {body: '{% if booking.type'}}",
        "rules: []\nmessages: {m: {fields: {a: 'x <!here>'}}}",
        "rules: []\nmessages: {m: {links: {a: 'example.com'}}}",
        "rules: []\nmessages: {m: {blocks: [{type: sectoin}]}}",
        "rules: []\nmessages: {m: {blocks: [{text: x}]}}",
    ],
)
def test_both_refuse(text: str) -> None:
    """Schema and loader refuse the same slips."""
    whole = f"version: 1\n{text}\n"
    assert not VALIDATOR.is_valid(yaml.load(whole, yaml.CSafeLoader))
    with pytest.raises(RulesError):
        load(whole.encode())
