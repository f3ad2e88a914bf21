"""What can only be said of a rules file as a whole: names that lead nowhere, rules that never act."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from bridge.core.conditions import EVERYTHING, All, Condition
from bridge.core.destinations import HOST, WEBHOOK
from bridge.core.examples import failures
from bridge.core.grammar import Reading
from bridge.core.near import did_you_mean, quote
from bridge.core.nodes import MapNode, Node, join, places
from bridge.core.rules import DEFAULT_MESSAGE, Rule, Rules
from bridge.core.templates import Message

_HARMLESS: Final = (".name", ".message", ".mention", ".style", ".broadcast")
"""Parts of a rule that do not decide where an event goes."""


def check_names(
    reading: Reading,
    root: Node | None,
    values: Mapping[str, Any],
    webhooks: Collection[str] | None,
    *,
    is_set_up: bool,
) -> None:
    """Rules with the same name, messages that do not exist, webhooks that are not configured."""
    messages = list(dict.fromkeys([*_message_nodes(root), DEFAULT_MESSAGE]))
    first: dict[str, Node] = {}
    for what, name, node, path in reading.references:
        if what == "rule" and first.setdefault(name, node) is not node:
            said = f"the name {quote(name)} is already taken by the rule in line {first[name].line}"
            reading.wrong(node, path, f"{said}; give each rule its own")
        elif (
            what == "message" and name not in messages and not (reading.partial and "messages" not in values)
        ):
            hint = did_you_mean(name, messages)
            reading.wrong(node, path, f"no message {quote(name)}{hint}; defined: {', '.join(messages)}")
        elif what == "destination" and name.startswith(WEBHOOK) and webhooks is not None:
            said = _webhook(name.removeprefix(WEBHOOK), webhooks)
            if said and is_set_up:
                reading.wrong(node, path, said)
            elif said:
                reading.warn(node, path, said)


def _message_nodes(root: Node | None) -> dict[str, Node]:
    """Every message the file defines, those that could not be read too, by its key."""
    node = root.get("messages") if isinstance(root, MapNode) else None
    return {name: key for name, (key, _) in node.entries.items()} if isinstance(node, MapNode) else {}


def _webhook(name: str, webhooks: Collection[str]) -> str:
    """What is wrong with this name of a webhook."""
    known = sorted(each.upper() for each in webhooks)
    if name in known:
        return ""
    return f"the webhook {quote(name)} is not configured{did_you_mean(name, known)}; set SLACK_WEBHOOK_{name}"


def check_messages(
    reading: Reading, root: Node | None, values: Mapping[str, Any], rules: Rules, trial: Any
) -> None:
    """Try every message on the sample events."""
    node = root.get("messages") if isinstance(root, MapNode) else None
    if not isinstance(node, MapNode):
        return
    for name, message in values.get("messages", {}).items():
        found = node.get(name)
        if isinstance(message, Message) and found is not None:
            _try_message(reading, found, join("messages", name), trial(message, rules))


def _try_message(reading: Reading, node: Node, path: str, problems: Iterable[tuple[str, str]]) -> None:
    at = {where: Node(line, column) for (line, column), where in places(node)} if problems else {}
    for where, said in problems:
        known = where
        while known and known not in at:
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        reading.wrong(at.get(known, node), f"{path}.{where}" if where else path, said)


def check_examples(reading: Reading, values: Mapping[str, Any], rules: Rules, now: datetime | None) -> None:
    """Run the examples. With a rule that cannot be read only what is wrong with and without it is told."""
    examples = values.get("examples", ())
    if not examples or reading.partial:
        return
    doubtful = _doubtful(reading)
    if doubtful is None:
        return
    found = list(failures(examples, rules, now))
    if doubtful:
        bare = replace(rules, rules=tuple(r for r in rules.rules if r.line not in doubtful))
        again = {id(example): said for example, said in failures(examples, bare, now)}
        found = [(example, again[id(example)]) for example, _ in found if id(example) in again]
    for example, said in found:
        reading.wrong(example.node, example.path, said)


def _doubtful(reading: Reading) -> set[int] | None:
    """The lines of rules whose effect is not known because of an error in them; None: nothing is known."""
    lines = {path: node.line for what, _, node, path in reading.references if what == "place"}
    found = set()
    for problem in reading.problems:
        path = problem.path
        if problem.severity == "warning" or path.split(".")[0] in ("messages", "types", "examples", "people"):
            continue
        if path.startswith("rules[") and path[: path.find("]") + 1] in lines:
            if not path.endswith(_HARMLESS):
                found.add(lines[path[: path.find("]") + 1]])
        elif path.startswith(("rules", "otherwise", "settings.timezone")):
            return None
    return found


def check_use(reading: Reading, root: Node | None, rules: Rules, *, can_look_up: bool) -> None:
    """Warn of rules that never act, messages nothing uses and hosts that cannot be found."""
    nodes = [(node, path) for what, _, node, path in reading.references if what == "place"]
    doubtful = _doubtful(reading)
    if len(nodes) == len(rules.rules) and doubtful is not None:
        clear = [pair for pair in zip(rules.rules, nodes, strict=True) if pair[0].line not in doubtful]
        _check_reach(reading, rules, clear)
    used = {name for what, name, *_ in reading.references if what == "message"} | {DEFAULT_MESSAGE}
    for name, node in _message_nodes(root).items():
        if name not in used:
            reading.warn(node, join("messages", name), "no rule and no type uses this message")
    if not can_look_up and not any(person.slack or person.email for person in rules.people):
        for what, name, node, path in reading.references:
            if what == "destination" and name == HOST:
                reading.warn(
                    node, path, "no host can be found in Slack; add e-mails or Slack ids under `people`"
                )


def _check_reach(reading: Reading, rules: Rules, read: list[tuple[Rule, tuple[Node, str]]]) -> None:
    """Walk the rules, remembering what stopped and what was posted under the same conditions."""
    stopped: dict[Condition, Rule] = {}
    posted: dict[Condition, dict[str, Rule]] = {}
    always: Rule | None = None
    for rule, (node, path) in read:
        before = stopped.get(EVERYTHING) or stopped.get(rule.when)
        if before:
            said = f"{quote(before.name)} in line {before.line} stops everything this rule could match"
            reading.warn(node, path, f"this rule can never be reached: {said}")
            continue
        targets = {name for post in rule.posts for name in post.to}
        known = {**posted.get(EVERYTHING, {}), **posted.get(rule.when, {})}
        if targets and targets <= set(known) and not rule.stop:
            first = known[min(targets)]
            said = f"{quote(first.name)} in line {first.line} posts what it matches to the same places"
            reading.warn(node, path, f"this rule never posts anything: {said}")
        posted.setdefault(rule.when, {}).update({name: rule for name in targets if name not in known})
        if rule.stop:
            stopped[rule.when] = rule
        if _is_everything(rule.when) and (rule.stop or targets - {HOST}):
            always = always or rule
    if always and rules.otherwise:
        place = next((node for what, _, node, _ in reading.references if what == "otherwise"), None)
        if place:
            said = f"{quote(always.name)} in line {always.line} matches every event"
            reading.warn(place, "otherwise", f"this can never be reached: {said}")


def _is_everything(condition: Condition) -> bool:
    return isinstance(condition, All) and not condition.parts
