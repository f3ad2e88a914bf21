"""Lists, mappings and tables of the rules language, put together from the kinds of `core.rules.grammar`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.core.rules.grammar import BAD, Kind, Reading, Schema, mismatch
from bridge.core.suggestions import nearest, quote
from bridge.core.yaml_file.nodes import ListNode, MapNode, Node, TextNode, join


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
            dash = ", each after '- '" if isinstance(node, MapNode) else ""
            return mismatch(node, path, reading, f"a list of {self.what}{dash}")
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
    """A mapping whose keys the admin chooses, as a dict; `key` normalises one.

    `doubt` says what is odd about a key, "" for nothing.
    """

    value: Kind
    what: str
    key: Callable[[str], str] = str
    doubt: Callable[[str], str] | None = None

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if not isinstance(node, MapNode):
            return mismatch(node, path, reading, self.what)
        if node.broken:
            return BAD
        values: dict[str, Any] = {}
        first: dict[str, TextNode] = {}
        for name, (place, item) in node.entries.items():
            if not name.strip():
                reading.wrong(place, path, "there is no text before ':'")
            if (other := first.setdefault(self.key(name), place)) is not place:
                said = f"{quote(name)} means the same as {quote(other.text)} in line {other.line}"
                reading.wrong(place, path, f"{said}; keep one of them")
            if self.doubt and (said := self.doubt(name)):
                reading.warn(place, path, said)
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


def one_of(names: Iterable[str]) -> Schema:
    """Schema: one of these keys has to be there."""
    return {"anyOf": [{"required": [name]} for name in names]}


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
    hints: Mapping[str, str] = field(default_factory=dict)
    """For keys that are often written here: the key that is meant, or where it belongs in words."""
    form: Mapping[str, Any] = field(default_factory=dict)
    """What else the schema says of it; `build` complains of the same in words."""
    instead: str = ""
    """What is to be written instead of a text alone, which stands in it as `…`."""

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if not isinstance(node, MapNode):
            return mismatch(node, path, reading, self.what, self.instead)
        if node.broken:
            return BAD
        node = self._meant(node, path, reading)
        values = {}
        for name, (_, item) in node.entries.items():
            key = self.keys.get(name)
            if key and (value := key.kind.read(item, join(path, name), reading)) is not BAD:
                values[name] = value
        for name, key in self.keys.items():
            is_missing = key.required and name not in node.entries and not reading.is_torn(node)
            if is_missing and not self._is_misplaced(name, node):
                reading.wrong(node, path, key.required)
        return self.build(values, node, path, reading)

    def _is_misplaced(self, name: str, node: MapNode) -> bool:
        """Whether something is told to belong under this key, which then is not missing."""
        return any(f"`{name}`" in self.hints.get(other, "") for other in node.entries)

    def _meant(self, node: MapNode, path: str, reading: Reading) -> MapNode:
        """The mapping with misspelt keys as they were meant, so that their values are checked too."""
        if node.entries.keys() <= self.keys.keys():
            return node
        entries: dict[str, tuple[TextNode, Node]] = {}
        for name, (place, item) in node.entries.items():
            meant = name if name in self.keys else self._unknown(place, path, reading)
            if meant is None or (meant != name and meant in node.entries):
                meant = name
            entries.setdefault(meant, (place, item))
        return replace(node, entries=entries)

    def _unknown(self, place: TextNode, path: str, reading: Reading) -> str | None:
        """Note that a key is not known; gives the one that was meant."""
        word, _, rest = place.text.partition(" ")
        if rest and word in self.keys:
            reading.wrong(place, path, f"expected ': ' (a colon and a space) after {quote(word)}")
            return None
        known = self.hints.get(place.text, "")
        if known and known not in self.keys:
            reading.wrong(place, path, f"unknown key {quote(place.text)}; {known}")
            return None
        found = known or nearest(place.text, self.keys)
        hint = f" (did you mean {quote(found)}?)" if found else f"; known keys: {', '.join(self.keys)}"
        reading.wrong(place, path, f"unknown key {quote(place.text)}{hint}")
        return found

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
        return {**made, **self.form}
