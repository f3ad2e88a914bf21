"""The keys of a rule and of a posting."""

from __future__ import annotations

from typing import Any, Final

from bridge.core.routing import OTHERWISE
from bridge.core.rules.condition_keys import EVENT, WHEN
from bridge.core.rules.conditions import EVERYTHING
from bridge.core.rules.destinations import (
    DESTINATION_PATTERN,
    MENTION_PATTERN,
    WEBHOOK,
    read_destination,
    read_mention,
)
from bridge.core.rules.grammar import SCALAR, TRUE, As, Flag, Reading, Text, form, word
from bridge.core.rules.rules import STYLES, Post, Rule
from bridge.core.rules.tables import Either, Key, ListOf, Named, Table
from bridge.core.suggestions import quote
from bridge.core.yaml_file.nodes import MapNode, Node


def _rule_name(text: str) -> str:
    if not text.strip():
        raise ValueError("a rule's name cannot be empty")
    if text.strip() == OTHERWISE:
        raise ValueError(f"the name {quote(OTHERWISE)} is taken by the part of the file of that name")
    return text.strip()


def _post(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    to = values.get("to", ())
    if values.get("style") == "card" and any(name.startswith(WEBHOOK) for name in to):
        place = node.entries["style"][1]
        reading.wrong(
            place, f"{path}.style", "an incoming webhook can only post; leave style out or write post"
        )
    _check_broadcast(values, node, path, reading)
    for number, name in enumerate(to):
        reading.references.append(("destination", name, _item(node.entries["to"][1], number), f"{path}.to"))
    if "message" in values:
        place = node.entries["message"][1]
        reading.references.append(("message", values["message"], place, f"{path}.message"))
    return Post(
        to,
        values.get("message"),
        values.get("mention", "none"),
        values.get("style", "card"),
        frozenset(values.get("broadcast", ())),
    )


def _check_broadcast(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> None:
    """Warn where no thread can be, and so no reply to be shown in the channel."""
    to = values.get("to", ())
    if "broadcast" not in values:
        return
    said = ""
    if values.get("style") == "post":
        said = "broadcast is about replies in a card's thread, and with style: post there are none"
    elif to and all(name.startswith(WEBHOOK) for name in to):
        said = "broadcast is about replies in a card's thread, and an incoming webhook makes none"
    if said:
        reading.warn(node.entries["broadcast"][0], f"{path}.broadcast", said)


def _check_twice(path: str, reading: Reading) -> None:
    """Warn of destinations that a rule names more than once: only the first counts."""
    named: dict[str, list[tuple[Node, str]]] = {}
    for what, name, node, where in reversed(reading.references):
        if not where.startswith(f"{path}."):
            break
        if what == "destination":
            named.setdefault(name, []).append((node, where))
    for name, places in named.items():
        for node, where in places[:-1]:
            reading.warn(node, where, f"{quote(name)} is named twice in this rule; only the first posts")


def _item(node: Node, number: int) -> Node:
    items = getattr(node, "items", None)
    return items[number] if isinstance(items, list) else node


def _rule(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    name = values.get("name")
    if name is not None:
        place = node if node.aliased else node.entries["name"][1]
        reading.references.append(("rule", name, place, f"{path}.name"))
    is_whole = set(values) == set(node.entries) and not reading.is_torn(node)
    if not {"post", "stop"} & set(node.entries) and is_whole:
        reading.wrong(
            node, path, "this rule does nothing; give it `post`, or `stop: true` to drop what it matches"
        )
    elif "post" not in node.entries and values.get("stop") is False:
        reading.wrong(node, path, "this rule does nothing: it has no `post` and `stop` is false")
    _check_twice(path, reading)
    reading.references.append(("place", path, node, path))
    return Rule(
        name or f"rule {int(path[path.rindex('[') + 1 : -1]) + 1}",
        values.get("when", EVERYTHING),
        values.get("post", ()),
        values.get("stop", False),
        node.line,
    )


_TO_WEBHOOK: Final = {"type": "string", "pattern": r"^\s*[Ww][Ee][Bb][Hh][Oo][Oo][Kk]:"}
"""Such a destination can only post, never show a card."""
DESTINATION_FORM: Final = form(
    SCALAR,
    DESTINATION_PATTERN,
    'Write "#name", a channel id, "@host", "@name@example.com" or "webhook:NAME".',
)
_NAME_FORM: Final = form(
    SCALAR, rf"^(?!\s*{OTHERWISE}\s*$)[\s\S]*\S", f"A rule needs a name, and not {OTHERWISE!r}."
)
_MENTION_FORM: Final = form(
    {"type": "string"},
    MENTION_PATTERN,
    "Write host, here, channel, none, an e-mail, a user id U… or a user group id S….",
)
DESTINATION: Final = Text('a destination such as "#sales" or "@host"', read_destination, DESTINATION_FORM)
NAME: Final = Text("a name", str.strip, SCALAR)

POST: Final = Table(
    "a mapping with `to`",
    {
        "to": Key(
            ListOf(DESTINATION, "destinations", single=True),
            'Where to: "#channel", a channel id, "@host" (every host), "@name@example.com" or a user id '
            '(a direct message), or "webhook:NAME".',
            ("#sales", ["#sales", "@host"], "@ana@example.com", "webhook:OPS"),
            "`to` is missing: where should this be posted?",
        ),
        "message": Key(NAME, "One of `messages`; else the booking type's, else `default`.", ("sales",)),
        "mention": Key(
            Text(
                "host, here, channel, none, an e-mail or an id",
                read_mention,
                _MENTION_FORM,
            ),
            "Who is mentioned: host, here, channel, none, an e-mail, a user id or a user group id.",
            ("host", "here", "S0614TZR7"),
        ),
        "style": Key(
            word(STYLES, "style"),
            "card: one message per booking that is kept up to date, changes in its thread; "
            "post: a new message for every event.",
            STYLES,
        ),
        "broadcast": Key(
            ListOf(EVENT, "events", single=True),
            "Thread replies about these events are shown in the channel as well.",
            (["cancelled", "rescheduled"],),
        ),
    },
    _post,
    "One posting.",
    {"channel": "to", "channels": "to"},
    {
        "if": {
            "required": ["to"],
            "properties": {"to": {"anyOf": [_TO_WEBHOOK, {"type": "array", "contains": _TO_WEBHOOK}]}},
        },
        "then": {"properties": {"style": {"const": "post"}}},
    },
    '{to: "…"}',
)
UNDER_POST: Final = dict.fromkeys(("channel", *POST.keys), "it belongs under `post`")
POSTS: Final = Named(
    "posts",
    lambda: Either(As(POST, lambda post: (post,)), ListOf(POST, "postings")),
)

RULE: Final = Table(
    "a rule: a mapping with `when` and `post`",
    {
        "name": Key(
            Text("a name", _rule_name, _NAME_FORM),
            "What the rule is called; no two rules alike.",
            ("big-accounts",),
        ),
        "when": Key(
            Named("when", lambda: WHEN), "Which events; left out, all of them.", ({"type": "Intro Call"},)
        ),
        "post": Key(POSTS, "Where to post, and how.", ({"to": "#sales"},)),
        "stop": Key(Flag(), "No later rule is tried for what this one matches.", (True,)),
    },
    _rule,
    "Rules are tried in order; every one whose `when` holds posts.",
    {
        **dict.fromkeys(WHEN.keys, "conditions stand under `when`"),
        **UNDER_POST,
        "if": "when",
    },
    {
        "anyOf": [
            {"required": ["post"]},
            {"required": ["stop"], "properties": {"stop": {"enum": [True, *TRUE]}}},
        ]
    },
)
