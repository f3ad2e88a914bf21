"""What a YAML file is made of: texts, mappings and lists, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.core.suggestions import quote


@dataclass(slots=True)
class Node:
    """A value of the file and where it starts, counting from 1. A broken one was already complained about.

    `end` is the line after the last one of a mapping or list, 0 when reading ended within it. What an
    alias stands for is `aliased`, and its place is the alias'; what is in it stays where it is written.
    """

    line: int
    column: int
    broken: bool = field(default=False, kw_only=True)
    height: int = field(default=1, kw_only=True)
    size: int = field(default=1, kw_only=True)
    end: int = field(default=0, kw_only=True)
    aliased: bool = field(default=False, kw_only=True)


@dataclass(slots=True)
class TextNode(Node):
    """A scalar's text. `plain` is without quotes; `comment` is what YAML took for a comment instead of it.

    `runs_on` is a quoted text that ends in a later line.
    `block_column` is where the lines of a `|` text begin, which follow the line of the mark; else 0.
    """

    text: str
    plain: bool = False
    comment: str = ""
    block_column: int = 0
    runs_on: bool = False

    @property
    def empty(self) -> bool:
        """Nothing, `~` or `null`, unquoted."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class MapNode(Node):
    """A mapping in the order written; keys are texts and differ. `doubled` were written more than once.

    Among those "" stands for keys that could not be read.
    """

    entries: dict[str, tuple[TextNode, Node]] = field(default_factory=dict)
    doubled: set[str] = field(default_factory=set)

    def get(self, key: str) -> Node | None:
        found = self.entries.get(key)
        return found[1] if found else None


@dataclass(slots=True)
class ListNode(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Open:
    """A mapping or list that is not closed yet."""

    node: MapNode | ListNode
    anchor: str | None
    is_key: bool
    key: TextNode | None = None
    is_flow: bool = False

    @property
    def wants_key(self) -> bool:
        return isinstance(self.node, MapNode) and self.key is None


def places(node: Node, path: str = "") -> Iterator[tuple[tuple[int, int], str]]:
    """Every place of a tree with the path of the value there; shared nodes go by their first path."""
    yield (node.line, node.column), path
    if isinstance(node, MapNode):
        for name, (_, value) in node.entries.items():
            yield from places(value, join(path, name))
    elif isinstance(node, ListNode):
        for number, item in enumerate(node.items):
            yield from places(item, f"{path}[{number}]")


def texts(node: Node) -> Iterator[TextNode]:
    """Every text in a tree, no keys; shared nodes as often as they stand there."""
    if isinstance(node, TextNode):
        yield node
    elif isinstance(node, MapNode):
        for _, value in node.entries.values():
            yield from texts(value)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from texts(item)


def broken(node: Node, path: str = "") -> Iterator[tuple[Node, str]]:
    """Every value of a tree that was complained about and cannot be read, with its path."""
    if node.broken:
        yield node, path
    if isinstance(node, MapNode):
        for name, (key, value) in node.entries.items():
            yield from ((key, path),) if key.broken else ()
            yield from broken(value, join(path, name))
    elif isinstance(node, ListNode):
        for number, item in enumerate(node.items):
            yield from broken(item, f"{path}[{number}]")


def join(path: str, key: str) -> str:
    """The path of a key below a path."""
    shown = key if key.isprintable() and len(key) <= 60 else quote(key)
    return f"{path}.{shown}" if path else shown
