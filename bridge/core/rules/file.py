"""A rules file's text to `Rules`, or to every problem in it at its place. The caller reads the file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bridge.core.messages import messages
from bridge.core.rules.checks import check_amount, check_examples, check_messages, check_names, check_use
from bridge.core.rules.doubts import find_doubts
from bridge.core.rules.grammar import BAD, Reading
from bridge.core.rules.language import FILE
from bridge.core.rules.rules import Rules, RuleSettings
from bridge.core.yaml_file.nodes import MapNode
from bridge.core.yaml_file.problems import Enough, Problem, RulesError, report
from bridge.core.yaml_file.slips import RESERVED
from bridge.core.yaml_file.tree import MOST_BYTES as MOST_BYTES
from bridge.core.yaml_file.tree import Tree, read_tree

_EMPTY: Final = "the file is empty; it begins with `version: 1` and `rules:`"
_HASH_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rules that can be used, and what is odd about them, by place."""

    rules: Rules
    warnings: tuple[Problem, ...] = ()
    name: str = field(default="rules.yaml")

    def report(self) -> list[str]:
        """The lines that `check` prints."""
        return report(self.warnings, self.name)


def load(
    text: bytes,
    *,
    name: str = "rules.yaml",
    webhooks: Collection[str] | None = None,
    can_look_up: bool = False,
    is_set_up: bool = True,
    now: datetime | None = None,
) -> Loaded:
    """The rules in this text. Raises RulesError with all problems, warnings among them.

    `webhooks` are the names configured in the environment, None when that is not known. `can_look_up`
    says that Slack can be asked for hosts by the e-mail in Copera's directory. Where no bridge is set up
    a webhook that is not configured is a warning, else an error. `now` is when examples
    happen that do not say; left out, a fixed Monday, which makes them independent of the day.
    """
    tree = read_tree(text)
    reading = Reading(lost=tree.lost)
    rules = Rules()
    try:
        for problem in tree.problems:
            reading.problems.add(problem)
        check_amount(reading, tree.root)
        values = _read(tree, reading)
        _drop_vain_advice(tree, reading)
        rules = _rules(values, text)
        check_names(reading, tree.root, values, webhooks, is_set_up=is_set_up)
        check_messages(reading, tree.root, values, messages.Trials(rules))
        doubts = find_doubts(reading, tree.root, rules, tree.mended)
        check_examples(reading, values, rules, now, doubts)
        if not reading.lost:
            check_use(reading, tree.root, rules, doubts, can_look_up=can_look_up)
    except Enough:
        pass
    if reading.problems.failed:
        raise RulesError(reading.problems.sorted(), name)
    return Loaded(rules, tuple(reading.problems.sorted()), name)


def _read(tree: Tree, reading: Reading) -> Mapping[str, Any]:
    if tree.root is None or (tree.root.size == 1 and not isinstance(tree.root, MapNode) and _is_empty(tree)):
        if not tree.problems:
            reading.problems.add(Problem(1, 1, "", _EMPTY))
        return {}
    values: Any = FILE.read(tree.root, "", reading)
    return {} if values is BAD else values


def _drop_vain_advice(tree: Tree, reading: Reading) -> None:
    """Of `mention: @host` say only that it cannot be meant so: quoted it would be just as wrong."""
    refused = {(p.line, p.column) for p in reading.problems if p not in tree.mended}
    for slip in tree.mended:
        if slip.message.startswith(RESERVED) and (slip.line, slip.column) in refused:
            reading.problems.drop(slip)


def _is_empty(tree: Tree) -> bool:
    return bool(getattr(tree.root, "empty", False))


def _rules(values: Mapping[str, Any], text: bytes) -> Rules:
    """The value of everything that could be read."""
    return Rules(
        rules=values.get("rules", ()),
        otherwise=values.get("otherwise", ()),
        settings=values.get("settings", RuleSettings()),
        people=values.get("people", ()),
        types=values.get("types", {}),
        messages=values.get("messages", {}),
        hash=hashlib.sha256(text).hexdigest()[:_HASH_DIGITS],
        text=text,
        otherwise_line=values.get("otherwise_line", 0),
    )
