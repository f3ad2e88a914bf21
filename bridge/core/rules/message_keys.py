"""The keys of a message in `messages`, and its templates read with the place of what is wrong in them."""

from __future__ import annotations

import re
from typing import Any, Final

from bridge.core.messages.block_rules import BLOCKS
from bridge.core.messages.fitting import BLOCKS as MOST_BLOCKS
from bridge.core.messages.templates import Message, TemplateProblem, compile_template
from bridge.core.rules.grammar import BAD, SCALAR, Reading, Schema, Text, form
from bridge.core.rules.tables import Key, ListOf, MapOf, Table, one_of
from bridge.core.suggestions import listed, quote
from bridge.core.yaml_file.nodes import ListNode, MapNode, Node, TextNode, join

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,9})?")
_ONE_BRACE: Final = re.compile(r"(?<!\{)\{ ?((?:booking|event|previous|settings)(?:\.\w+)+) ?\}(?!\})")
_CALL: Final = re.compile(r"(?<![\w@/.])@(here|channel|everyone)\b")
_WORDS: Final = {"true": True, "false": False}
PARTS: Final = ("title", "body", "fields", "footer", "links")


_PIECES: Final = (
    *(r"[^{<]", r"<(?![!@])", r"\{(?![{%#])"),
    *(r"\{\{(?:[^}]|\}(?!\}))*\}\}", r"\{%(?:[^%]|%(?!\}))*%\}", r"\{#(?:[^#]|#(?!\}))*#\}"),
)
"""What a template is made of: text that mentions nobody, and {{ … }}, {% … %} and {# … #} that are closed."""
_TEMPLATE_FORM: Final = rf"^(?:{'|'.join(_PIECES)})*$"
_OTHERWISE: Final = "{{ … }} and {% … %} are closed, and nothing but the filter mention mentions anyone."
_ADDRESS_FORM: Final = rf"^\s*(?:(?:[Hh][Tt][Tt][Pp][Ss]?://|\{{[{{%#])(?:{'|'.join(_PIECES)})*)?$"


class TemplateText:
    """A template's text."""

    _text = Text("text, which may hold {{ … }}", many_lines=True)

    def __init__(self, pattern: str = _TEMPLATE_FORM, otherwise: str = _OTHERWISE) -> None:
        self._form, self._otherwise = pattern, otherwise

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        source = self._text.read(node, path, reading)
        if source is BAD:
            return BAD
        if said := _odd(source):
            reading.warn(node, path, said)
        try:
            return compile_template(source)
        except TemplateProblem as problem:
            for each in (problem, *problem.others):
                reading.wrong(template_place(node, each.line), path, each.message)
            return BAD

    def schema(self) -> Schema:
        return form(SCALAR, self._form, self._otherwise)


def _odd(source: str) -> str:
    """What is posted as it stands and was hardly meant so."""
    if found := _ONE_BRACE.search(source):
        return f"{quote(found[0])} is posted as it stands; a value is written {{{{ {found[1]} }}}}"
    if found := _CALL.search(source):
        who = "here" if found[1] == "here" else "channel"
        return f"{quote(found[0])} is only text in a message; to mention, write `mention: {who}` beside `to`"
    return ""


def template_place(node: Node, line: int) -> Node:
    """Where a line (from 1) of a text stands in the file, as far as it can be told."""
    if isinstance(node, TextNode) and node.block_column:
        return Node(node.line + line, node.block_column)
    return node


class Blocks:
    """Block Kit blocks: any JSON whose every text is a template."""

    _template = TemplateText()
    _blocks = ListOf(MapOf(_template, "a block: a mapping"), "Block Kit blocks")

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if not isinstance(node, ListNode) or not node.items:
            return self._blocks.read(node, path, reading)
        before = len(reading.problems.errors)
        for number, item in enumerate(node.items):
            if not isinstance(item, MapNode):
                self._blocks.item.read(item, f"{path}[{number}]", reading)
        made = self._value(node, path, reading)
        return BAD if len(reading.problems.errors) > before else made

    def _value(self, node: Node, path: str, reading: Reading) -> Any:
        if isinstance(node, MapNode):
            return {k: self._value(item, join(path, k), reading) for k, (_, item) in node.entries.items()}
        if isinstance(node, ListNode):
            return [self._value(item, f"{path}[{n}]", reading) for n, item in enumerate(node.items)]
        if isinstance(node, TextNode) and node.plain and not node.comment:
            if node.empty:
                return None
            if node.text in _WORDS:
                return _WORDS[node.text]
            if _NUMBER.fullmatch(node.text):
                return float(node.text) if "." in node.text else int(node.text)
        return self._template.read(node, path, reading)

    def schema(self) -> Schema:
        kind = {"description": "Which kind of block it is.", "enum": list(BLOCKS)}
        block = {"type": "object", "required": ["type"], "properties": {"type": kind}}
        return {"type": "array", "minItems": 1, "maxItems": MOST_BLOCKS, "items": block}


def _is_silent(values: dict[str, Any]) -> bool:
    """Whether no part of a message has any text, whatever the booking."""
    if "blocks" in values:
        return False
    texts = [values[name] for name in ("title", "body", "footer") if name in values]
    texts += [text for name in ("fields", "links") for text in values.get(name, {}).values()]
    return not any(text.source.strip() for text in texts)


def _odd_label(label: str) -> str:
    return (
        f"the label {quote(label)} is posted as it stands; only what follows it is a template"
        if "{{" in label
        else ""
    )


def _message(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    others = [name for name in PARTS if name in node.entries]
    if not node.entries and not node.broken and not reading.is_torn(node):
        return reading.wrong(node, path, f"this message is empty; give it {listed(PARTS)}")
    if "blocks" in node.entries and others:
        place = node.entries["blocks"][0]
        return reading.wrong(place, path, f"a message has either `blocks` or {listed(PARTS)}, not both")
    if not values:
        return BAD
    if set(values) == set(node.entries) and not reading.is_torn(node) and _is_silent(values):
        return reading.wrong(node, path, f"this message says nothing; give it {listed(PARTS)}")
    return Message(
        path.removeprefix("messages."),
        values.get("title"),
        values.get("body"),
        tuple(values.get("fields", {}).items()),
        values.get("footer"),
        tuple(values.get("links", {}).items()),
        values.get("blocks"),
    )


_TEMPLATE: Final = TemplateText()
MESSAGE: Final = Table(
    "a message: a mapping with title, body, fields, footer and links, or blocks",
    {
        "title": Key(_TEMPLATE, "The header.", ("{{ event.emoji }} {{ event.verb }}: {{ booking.type }}",)),
        "body": Key(_TEMPLATE, "A paragraph under the title.", ("With {{ booking.booker.name }}",)),
        "fields": Key(
            MapOf(_TEMPLATE, "a mapping of label and text", doubt=_odd_label),
            "Labels and texts, in this order.",
            ({"When": "{{ booking | when }}"},),
        ),
        "footer": Key(_TEMPLATE, "Small print.", ("{{ booking.id }}",)),
        "links": Key(
            MapOf(
                TemplateText(_ADDRESS_FORM, "A link begins with https:// or a value."),
                "a mapping of label and address",
                doubt=_odd_label,
            ),
            "Labels and web addresses.",
            ({"Open": "https://app.example.com/bookings/{{ booking.id }}"},),
        ),
        "blocks": Key(Blocks(), "Block Kit blocks whose texts are templates, instead of all the others."),
    },
    _message,
    "How a message looks: Jinja2 templates in a sandbox.",
    form={
        **one_of((*PARTS, "blocks")),
        "dependentSchemas": {"blocks": {"properties": dict.fromkeys(PARTS, False)}},
    },
)
