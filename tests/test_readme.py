"""README.md tells all and nothing but what is: settings, commands, rule keys, metrics, addresses.

What it expects of the text: a table row for each setting, command and metric, whose first cell is its name
in backticks (`| `events list` | … |`); a command's row, or rows, name all its options. Rule keys and
addresses may stand in any code, in a line or in a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bridge.cli import build
from bridge.core.messages.filters import FILTERS
from bridge.core.messages.template_grammar import TESTS
from bridge.core.messages.views import SHAPES
from bridge.core.rules.schema import schema
from bridge.metrics import Metrics
from bridge.setting_values import DATABASE_OPTIONS
from bridge.settings import NAMES
from bridge.web.feeds import Feeds
from bridge.web.health import Health
from bridge.web.webhook import Webhook

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```.*?\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE))
CODE = "\n".join([*SPANS, *BLOCKS])
ROWS = [line.strip() for line in README.splitlines() if line.startswith("|")]
FIRST = [(re.findall(r"`([^`]+)`", row.split("|")[1]), row) for row in ROWS]
"""For each table row the code in its first cell, and the row."""

WEBHOOKS = "SLACK_WEBHOOK_<NAME>"
SETTING = re.compile(r"(?:BRIDGE|COPERA|SLACK)_[A-Z0-9_]+(?:<NAME>)?")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
ADDRESS = re.compile(r"(?:(?:GET|HEAD|POST|PUT|DELETE)[, /`]*)+ (/\S*)")


def commands() -> dict[str, set[str]]:
    """Each command, by its words, with its long options."""
    return dict(_walk(typer.main.get_command(build()), ""))


def _walk(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
    if hasattr(command, "commands"):
        for each, child in command.commands.items():
            yield from _walk(child, f"{name} {each}".strip())
        return
    names = (one for each in command.params for one in (*each.opts, *each.secondary_opts))
    yield name, {one for one in names if one.startswith("--") and one != "--help"}


def rule_keys(part: Any = None) -> set[str]:
    """Every key that the rules' grammar knows, at any depth."""
    part = schema() if part is None else part
    if isinstance(part, list):
        return set().union(*map(rule_keys, part))
    if not isinstance(part, dict):
        return set()
    own = set(part["properties"]) if isinstance(part.get("properties"), dict) else set()
    return own.union(*(rule_keys(value) for value in part.values() if value is not None))


def metrics() -> set[str]:
    """The names as /metrics shows them."""
    families = Metrics().registry.collect()
    return {each.name + ("_total" if each.type == "counter" else "") for each in families}


def addresses() -> set[str]:
    """The paths that the service answers, by its own route tables."""
    classes = (Webhook, Health, Feeds)
    return {route.path for each in classes for route in each.__new__(each).routes()}  # type: ignore[attr-defined]


def rows(name: str) -> list[str]:
    """The table rows that are about this name."""
    return [row for names, row in FIRST if any(_is(name, one) for one in names)]


def _is(name: str, said: str) -> bool:
    """Whether code in a first cell is this name, perhaps with arguments after it."""
    said = said.removeprefix("booking-bridge ")
    return said == name or said.startswith((name + " ", name + "["))


@pytest.mark.parametrize("name", [*NAMES, WEBHOOKS])
def test_every_setting_has_a_row(name: str) -> None:
    assert rows(name)


def test_the_options_of_a_database_address_are_in_its_row() -> None:
    (row,) = rows("BRIDGE_DATABASE_URL")
    assert [option for option in DATABASE_OPTIONS if f"`{option}`" not in row] == []


@pytest.mark.parametrize("name", commands())
def test_every_command_has_a_row_with_its_options(name: str) -> None:
    found = rows(name)
    assert found
    missing = {option for option in commands()[name] if not re.search(rf"{option}\b", " ".join(found))}
    assert missing == set()


@pytest.mark.parametrize("key", sorted(rule_keys()))
def test_every_rule_key_is_named(key: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", CODE)


@pytest.mark.parametrize("name", sorted(metrics()))
def test_every_metric_has_a_row(name: str) -> None:
    assert any(name in one for names, _ in FIRST for one in names)


@pytest.mark.parametrize("path", sorted(addresses()))
def test_every_address_is_named(path: str) -> None:
    assert path in CODE


@pytest.mark.parametrize(
    "name", sorted({*FILTERS, *TESTS, *SHAPES, *(name for shape in SHAPES.values() for name in shape)})
)
def test_everything_that_a_template_may_say_is_named(name: str) -> None:
    """Whoever reads only the README writes none that `check` refuses; a list may stand for its kind."""
    section = README.partition("\n## Messages")[2].partition("\n## ")[0]
    said = " ".join(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", section, flags=re.DOTALL)))
    assert re.search(rf"(?<![\w-]){name}s?(?![\w-])", said)


def test_every_module_of_the_architecture_exists() -> None:
    """A folder is named with a slash at its end, a module without."""
    section = README.partition("\n## Architecture")[2]
    spans = re.findall(r"`([a-z_/]+)`", re.sub(r"```.*?```", "", section, flags=re.DOTALL))
    package = ROOT / "bridge"
    named = [one for one in spans if one not in {*commands(), "bridge/core/"}]
    assert len(named) > 10
    assert [
        one
        for one in named
        if not ((package / one).is_dir() if one[-1] == "/" else (package / f"{one}.py").is_file())
    ] == []


def test_no_setting_is_made_up() -> None:
    named = {name.removesuffix("_FILE") for name in SETTING.findall(README)}
    examples = {name for name in named if re.fullmatch(r"SLACK_WEBHOOK_[A-Z0-9_]*", name)}
    assert named - examples - {*NAMES, WEBHOOKS} == set()


def test_no_command_or_option_is_made_up() -> None:
    """Whatever begins with the command's name, or is an option in a command's row, exists."""
    known = commands()
    groups = {name.split()[0] for name in known}
    for line in re.findall(r"\bbooking-bridge ([a-z][^\n`|]*)", CODE):
        words = re.match(r"([a-z]+)(?: ([a-z]+))?", line)
        assert words
        name = next((one for one in (words[0], words[1]) if one in known), "")
        assert name or words[0] in groups, line
        if name:
            assert set(OPTION.findall(line)) <= known[name] | {"--help"}, line
    for name, options in known.items():
        said = {
            option for row in rows(name) for option in OPTION.findall(" ".join(re.findall(r"`[^`]+`", row)))
        }
        others = set().union(*(known[one] for one in known if set(rows(one)) & set(rows(name))))
        assert said <= options | others, name


def test_no_metric_is_made_up() -> None:
    known = metrics()
    named = set(re.findall(r"\bbooking_bridge_\w+", README)) - {"booking_bridge_"}
    assert {name for name in named if not any(name.startswith(one) for one in known)} == set()


def test_no_address_is_made_up() -> None:
    named = {path for names, _ in FIRST for one in names for path in ADDRESS.findall(one)}
    assert named - addresses() == set()


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)) <= targets


def test_the_five_steps_install_before_they_use() -> None:
    """A newcomer types them in this order: no command of .venv comes before what makes .venv."""
    steps = README.partition("## Five minutes to production")[2].partition("\n## ")[0]
    assert re.findall(r"^\d", steps, re.MULTILINE) == list("12345")
    assert 0 < steps.index("make install") < steps.index(".venv/bin/")
