"""What can only be said of a rules file as a whole: names that lead nowhere, rules that never act."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from bridge.core.messages.templates import Message
from bridge.core.rules.conditions import EVERYTHING, All, Condition
from bridge.core.rules.destinations import HOST, WEBHOOK
from bridge.core.rules.doubts import Doubts
from bridge.core.rules.grammar import Reading
from bridge.core.rules.judging import failures
from bridge.core.rules.rules import DEFAULT_MESSAGE, Rule, Rules
from bridge.core.suggestions import did_you_mean, nearest, quote
from bridge.core.yaml_file.nodes import MapNode, Node, broken, join, places, texts

MOST_PLACES: Final = 2_000
"""Templates, or values in them, that a file's messages may hold: to compile one takes about a millisecond."""
_MOST_MISSPELT: Final = 200
"""Names of messages that are asked what they may mean."""
_EXAMPLE: Final = re.compile(r"examples\[\d+\]")


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
        elif what == "message" and name not in messages and not (reading.lost and "messages" not in values):
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


def check_amount(reading: Reading, root: Node | None) -> None:
    """Refuse messages that would take too long to prepare, before any of it is begun."""
    node = root.get("messages") if isinstance(root, MapNode) else None
    if node is None:
        return
    amount = 0
    seen: set[str] = set()
    for text in texts(node):
        if text.text not in seen:
            seen.add(text.text)
            amount += max(1, text.text.count("{{") + text.text.count("{%"))
        if amount > MOST_PLACES:
            said = f"the messages hold more than {MOST_PLACES:,} different texts and {{{{ … }}}} in them"
            reading.wrong(text, "messages", said)
            node.broken = True
            return


def check_messages(
    reading: Reading,
    root: Node | None,
    values: Mapping[str, Any],
    trial: Callable[[Message], list[tuple[str, str]]],
) -> None:
    """Try every message on the sample events."""
    node = root.get("messages") if isinstance(root, MapNode) else None
    if not isinstance(node, MapNode):
        return
    for name, message in values.get("messages", {}).items():
        found = node.get(name)
        if isinstance(message, Message) and found is not None:
            _try_message(reading, found, join("messages", name), trial(message))


def _try_message(reading: Reading, node: Node, path: str, problems: Iterable[tuple[str, str]]) -> None:
    at = {where: Node(line, column) for (line, column), where in places(node)} if problems else {}
    for where, said in problems:
        known = where
        while known and known not in at:
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        reading.wrong(at.get(known, node), f"{path}.{where}" if where else path, said)


def check_examples(
    reading: Reading, values: Mapping[str, Any], rules: Rules, now: datetime | None, doubts: Doubts
) -> None:
    """Run the examples that could be read; where rules are doubtful, tell what no mending could change."""
    wrong = [p.path for p in reading.problems if p.severity == "error" and p not in doubts.mended]
    heads = {found[0] for path in wrong if (found := _EXAMPLE.match(path))}
    sound = [
        example
        for example in values.get("examples", ())
        if example.whole_path not in heads
        and not reading.is_torn(example.whole)
        and not any(broken(example.whole))
    ]
    for example, said in failures(sound, rules, now, doubts):
        reading.wrong(example.node, example.path, said)


def check_use(
    reading: Reading, root: Node | None, rules: Rules, doubts: Doubts, *, can_look_up: bool
) -> None:
    """Warn of rules that never act, messages nothing uses and hosts that cannot be found."""
    nodes = [(node, path) for what, _, node, path in reading.references if what == "place"]
    if len(nodes) == len(rules.rules) and not doubts.everything:
        pairs = enumerate(zip(rules.rules, nodes, strict=True))
        _check_reach(reading, rules, [pair for n, pair in pairs if n not in doubts.positions])
    messages = _message_nodes(root)
    named = {name for what, name, *_ in reading.references if what == "message"}
    used = named | {nearest(name, messages) for name in islice(named - messages.keys(), _MOST_MISSPELT)}
    is_whole = root is not None and not any(broken(root))
    for name, node in messages.items():
        if name not in used and name != DEFAULT_MESSAGE and is_whole:
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
