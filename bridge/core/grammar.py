"""The building blocks of the rules language: each kind of value reads a node and describes itself.

A kind has `read`, which gives the value or notes what is wrong at its place and gives BAD, and
`schema`, its JSON Schema. The language itself is put together from these in `core.language`, so what
is read, what is documented and what an editor completes are one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from bridge.core.near import did_you_mean, listed, quote
from bridge.core.problems import Problem, Problems
from bridge.core.yaml_slips import odd_character
from bridge.core.yaml_tree import ListNode, MapNode, Node, TextNode, join

BAD: Final[Any] = object()
"""In place of a value that could not be read and was complained about."""
Schema = dict[str, Any]
SCALAR: Final[Schema] = {"type": ["string", "number", "boolean"]}
TRUE: Final = ("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON")
FALSE: Final = ("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF")
_EMPTY: Final = "is empty"


@dataclass(slots=True)
class Reading:
    """One run over a file: what was found wrong, and which names were used where.

    `references` are (what, name, node, path): names that must be checked once everything is read.
    `partial` says that lines were skipped, so that what is missing may be in those.
    """

    problems: Problems = field(default_factory=Problems)
    references: list[tuple[str, str, Node, str]] = field(default_factory=list)
    partial: bool = False

    def wrong(self, node: Node, path: str, message: str) -> Any:
        """Note an error at this node; gives BAD."""
        if not node.broken:
            self.problems.add(Problem(node.line, node.column, path, message))
        return BAD

    def warn(self, node: Node, path: str, message: str) -> None:
        self.problems.add(Problem(node.line, node.column, path, message, "warning"))


class Kind(Protocol):
    """A kind of value."""

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """The value, or BAD once the problem is noted."""

    def schema(self) -> Schema:
        """The JSON Schema of the node."""


def found(node: Node) -> str:
    """What stands there, in words."""
    if isinstance(node, TextNode):
        return "nothing" if node.empty else quote(node.text)
    return "a list" if isinstance(node, ListNode) else "a mapping"


def empty_hint(node: TextNode) -> str:
    """Why a value is empty, when it is a comment by mistake."""
    if not node.comment:
        return _EMPTY
    return f'is empty: YAML reads {quote(node.comment)} as a comment; quote it: "{node.comment[:60]}"'


@dataclass(frozen=True, slots=True)
class Text:
    """A text that `parse` turns into a value; what it raises as ValueError is the problem's text.

    `expected` says in words what should stand there.
    """

    expected: str
    parse: Callable[[str], Any] = str
    form: Mapping[str, Any] = field(default_factory=lambda: SCALAR)
    many_lines: bool = False

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if node.broken:
            return BAD
        if not isinstance(node, TextNode) or node.empty:
            return mismatch(node, path, reading, self.expected)
        if problem := self._unclean(node):
            return reading.wrong(node, path, problem)
        try:
            return self.parse(node.text)
        except ValueError as error:
            return reading.wrong(node, path, str(error))

    def _unclean(self, node: TextNode) -> str:
        for c in node.text:
            if (c < " " and c not in "\t\n") or c == "\x7f":
                return (
                    f"holds a control character (U+{ord(c):04X}); "
                    "in double quotes a backslash begins an escape, so put the text in single quotes"
                )
        if self.many_lines:
            return ""
        if "\n" in node.text.strip("\n"):
            return f"expected {self.expected} on one line"
        return odd_character(node.text) if node.text and not node.plain else ""

    def schema(self) -> Schema:
        return dict(self.form)


def word(names: Sequence[str], what: str) -> Text:
    """One of these words."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(
                f"{what} {quote(text)} is not known{did_you_mean(text, names)}; expected {listed(names)}"
            )
        return text

    return Text(listed(names), parse, {"enum": list(names)})


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false; YAML's older words for them are understood too."""

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        text = node.text if isinstance(node, TextNode) and node.plain else None
        if text in TRUE or text in FALSE:
            return text in TRUE
        hint = did_you_mean(node.text, ("true", "false")) if isinstance(node, TextNode) else ""
        return reading.wrong(node, path, f"expected true or false, got {found(node)}{hint}")

    def schema(self) -> Schema:
        return {
            "anyOf": [{"type": "boolean"}, {"enum": [w for w in TRUE + FALSE if w.lower()[0] not in "tf"]}]
        }


@dataclass(frozen=True, slots=True)
class As:
    """Another kind, its value turned into something else."""

    kind: Kind
    build: Callable[[Any], Any]

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        value = self.kind.read(node, path, reading)
        return BAD if value is BAD else self.build(value)

    def schema(self) -> Schema:
        return self.kind.schema()


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list as a tuple; with `single`, one item may stand alone. Not empty, unless `may_be_empty`."""

    item: Kind
    what: str
    single: bool = False
    may_be_empty: bool = False
    most: int | None = None

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if node.broken:
            return BAD
        if not isinstance(node, ListNode):
            if self.single:
                value = self.item.read(node, path, reading)
                return BAD if value is BAD else (value,)
            return mismatch(node, path, reading, f"a list of {self.what}")
        if not node.items and not self.may_be_empty:
            return reading.wrong(node, path, f"the list is empty; expected {self.what}")
        if self.most is not None and len(node.items) > self.most:
            return reading.wrong(node.items[self.most], path, f"more than {self.most:,} {self.what}")
        values = [self.item.read(item, f"{path}[{n}]", reading) for n, item in enumerate(node.items)]
        return tuple(value for value in values if value is not BAD) if self._usable(values) else BAD

    def _usable(self, values: list[Any]) -> bool:
        return not self.single or all(value is not BAD for value in values)

    def schema(self) -> Schema:
        item = self.item.schema()
        many: Schema = {"type": "array", "items": item}
        if not self.may_be_empty:
            many["minItems"] = 1
        if self.most is not None:
            many["maxItems"] = self.most
        return {"anyOf": [item, many]} if self.single else many


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys the admin chooses, as a dict; `key` normalises one."""

    value: Kind
    what: str
    key: Callable[[str], str] = str

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if not isinstance(node, MapNode):
            return mismatch(node, path, reading, self.what)
        if node.broken:
            return BAD
        values = {}
        for name, (place, item) in node.entries.items():
            if not name.strip():
                reading.wrong(place, path, "there is no text before ':'")
            values[self.key(name)] = self.value.read(item, join(path, name), reading)
        return {name: value for name, value in values.items() if value is not BAD}

    def schema(self) -> Schema:
        return {"type": "object", "additionalProperties": self.value.schema()}


@dataclass(frozen=True, slots=True)
class Either:
    """A mapping of one kind, or something else of another."""

    mapping: Kind
    other: Kind

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        takes_text = not isinstance(self.other, ListOf) or self.other.single
        is_other = isinstance(node, ListNode) or (isinstance(node, TextNode) and takes_text)
        return (self.other if is_other else self.mapping).read(node, path, reading)

    def schema(self) -> Schema:
        other, mapping = self.other.schema(), self.mapping.schema()
        return {"anyOf": [*(other["anyOf"] if set(other) == {"anyOf"} else [other]), mapping]}


@dataclass(frozen=True, slots=True)
class Named:
    """A kind that the schema defines once under `$defs`; `kind` is called late, for it may contain itself."""

    name: str
    kind: Callable[[], Kind]

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        return self.kind().read(node, path, reading)

    def schema(self) -> Schema:
        return {"$ref": f"#/$defs/{self.name}"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table: what its value is, what it does (for people), and examples as JSON values."""

    kind: Kind
    doc: str
    examples: tuple[Any, ...] = ()
    required: str = ""
    """Why it cannot be left out, as the problem's text; "" when it can."""


Build = Callable[[dict[str, Any], MapNode, str, Reading], Any]


def _as_dict(values: dict[str, Any], node: MapNode, path: str, reading: Reading) -> Any:
    return values


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with known keys. `build` makes the value of the good ones, in the order of the file."""

    what: str
    keys: Mapping[str, Key]
    build: Build = _as_dict
    doc: str = ""
    needs_any: tuple[str, ...] = ()
    """One of these keys has to be there; which is the caller's to check, the schema says it too."""

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if not isinstance(node, MapNode):
            return mismatch(node, path, reading, self.what)
        if node.broken:
            return BAD
        values = {}
        for name, (place, item) in node.entries.items():
            key = self.keys.get(name)
            if key is None:
                self._unknown(place, path, reading)
            elif (value := key.kind.read(item, join(path, name), reading)) is not BAD:
                values[name] = value
        for name, key in self.keys.items():
            if key.required and name not in node.entries and not reading.partial:
                reading.wrong(node, path, key.required)
        return self.build(values, node, path, reading)

    def _unknown(self, place: TextNode, path: str, reading: Reading) -> None:
        hint = did_you_mean(place.text, self.keys)
        known = "" if hint else f"; known keys: {', '.join(self.keys)}"
        reading.wrong(place, path, f"unknown key {quote(place.text)}{hint}{known}")

    def schema(self) -> Schema:
        properties = {}
        for name, key in self.keys.items():
            properties[name] = {"description": key.doc, **key.kind.schema()}
            if key.examples:
                properties[name]["examples"] = list(key.examples)
        made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if self.doc:
            made = {"description": self.doc, **made}
        required = [name for name, key in self.keys.items() if key.required]
        if required:
            made["required"] = required
        if self.needs_any:
            made["anyOf"] = [{"required": [name]} for name in self.needs_any]
        return made


def mismatch(node: Node, path: str, reading: Reading, what: str) -> Any:
    """Note that `what` should stand there; gives BAD."""
    if isinstance(node, TextNode) and node.empty:
        return reading.wrong(node, path, f"{empty_hint(node)}; expected {what}")
    return reading.wrong(node, path, f"expected {what}, got {found(node)}")
