"""libyaml's events to nodes, under limits that hold while the text is being read.

Scalars keep their source text. A mistake that YAML allows but this language does not is noted at its
place, and reading goes on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

import yaml

from bridge.core.suggestions import quote
from bridge.core.yaml_file.nodes import ListNode, MapNode, Node, Open, TextNode, join
from bridge.core.yaml_file.pasted import odd_character, straighten
from bridge.core.yaml_file.pasting import odd_colon
from bridge.core.yaml_file.problems import Problem
from bridge.core.yaml_file.refusal import PARTIAL_TEXT, Misread, TooMuch, restore

MOST_ALIASES: Final = 100
MOST_NESTING: Final = 50
MOST_NODES: Final = 100_000
MOST_ALIASED: Final = 50_000
"""Nodes that aliases may stand for, all together: a hundred aliases can mean 2^100 nodes."""
_LOADER: Final[Any] = getattr(yaml, "CLoader", yaml.SafeLoader)
_KEY: Final = re.compile(r"\s*(?:-\s+)?[A-Za-z_]\w*:(?:\s|$)")
_QUOTES: Final = frozenset("'\"")
_COMMENT_VALUE: Final = re.compile(r"\s*(#\S[^,\]}]*)")
_COMMENT_AFTER_KEY: Final = re.compile(r"[^:#]*:\s+(#\S[^,\]}]*)")


class Builder:
    """Puts libyaml's events together to nodes; `root` and `problems` are what came of it.

    `mended` are those problems in spite of which what was meant is known.
    """

    def __init__(self, lines: list[str], repaired: bool) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self.mended: set[Problem] = set()
        self._lines = lines
        self._repaired = repaired
        self._stack: list[Open] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = self._aliases = self._aliased = 0
        self._documents = 0
        self._merged: MapNode | None = None
        """A list's item in which another begins without its dash, so that all its keys come twice."""
        self.swallowed: tuple[int, int, int] | None = None
        """Where a quoted text stands that took in what looks like keys, and its last line, from 0."""

    def build(self) -> None:
        """Read to the end. Raises TooMuch, Misread, and what libyaml refuses as YAMLError."""
        parser = _LOADER("\n".join(self._lines))
        while (event := parser.get_event()) is not None:
            handle = _HANDLERS.get(type(event))
            if handle:
                handle(self, event)

    @property
    def opened(self) -> tuple[tuple[int, int], ...]:
        """The places, from 0, of the brackets and braces that are open, the outermost first."""
        return tuple((e.node.line - 1, e.node.column - 1) for e in self._stack if e.is_flow)

    def _complain(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(line, column, self._path(), message))

    def _path(self) -> str:
        path = ""
        for entry in self._stack:
            if isinstance(entry.node, ListNode):
                attached = 0 if entry is self._stack[-1] else 1
                path = f"{path}[{len(entry.node.items) - attached}]"
            elif entry.key is not None:
                path = join(path, entry.key.text)
        return path

    def document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            line, column = _place(event)
            self._complain(line, column, "a second document starts here ('---'); a rules file has one")
            raise TooMuch

    def scalar(self, event: Any) -> None:
        mark, style, value = event.start_mark, event.style, event.value
        node = TextNode(mark.line + 1, mark.column + 1, value, plain=not style)
        if self._repaired:
            node.text = restore(value)
            node.broken = PARTIAL_TEXT in value
        if style in _QUOTES:
            node.runs_on = event.end_mark.line > mark.line
            if node.runs_on and any(map(_KEY.match, self._lines[mark.line + 1 : event.end_mark.line + 1])):
                self.swallowed = mark.line, mark.column, event.end_mark.line
        elif style == "|":
            first = self._line(node.line + 1)
            node.block_column = len(first) - len(first.lstrip()) + 1
        elif not style and not node.broken and not (value and value.isascii()):
            self._check_plain(node)
        if event.tag is not None:
            self._tag(event, node)
        self._add(node, event.anchor)

    def _check_plain(self, node: TextNode) -> None:
        """Say what pasting from a chat left behind, and go on with what was meant; ASCII is never odd."""
        if not node.text:
            self._place_of_nothing(node)
        elif (slip := odd_colon(self._lines, node.line - 1)) and node.column <= slip.column:
            raise Misread(slip)
        elif odd := odd_character(node.text):
            self._complain(node.line, node.column, odd)
            self.mended.add(self.problems[-1])
            node.text = straighten(node.text)

    def _place_of_nothing(self, node: TextNode) -> None:
        """Nothing stands where a comment begins that was meant as a value, else where its key does."""
        key = self._stack[-1].key if self._stack else None
        line, start = (key.line, key.column) if key else (node.line, node.column - 1)
        pattern = _COMMENT_AFTER_KEY if key else _COMMENT_VALUE
        found = pattern.match(self._line(line), start)
        if found:
            node.line, node.column, node.comment = line, found.start(1) + 1, found[1].strip()
        elif key:
            node.line, node.column = key.line, key.column

    def _line(self, number: int) -> str:
        return self._lines[number - 1] if number <= len(self._lines) else ""

    def open_map(self, event: Any) -> None:
        self._open(MapNode(*_place(event)), event)

    def open_list(self, event: Any) -> None:
        self._open(ListNode(*_place(event)), event)

    def _open(self, node: MapNode | ListNode, event: Any) -> None:
        if event.tag is not None:
            self._tag(event, node)
        if len(self._stack) >= MOST_NESTING:
            self._refuse(node, f"nested more than {MOST_NESTING} levels deep")
        top = self._stack[-1] if self._stack else None
        is_key = top is not None and top.wants_key
        if top and is_key:
            self._bad_key(node, top)
        else:
            self._attach(node)
        self._count(node)
        self._stack.append(Open(node, event.anchor, is_key, is_flow=bool(event.flow_style)))

    def _bad_key(self, node: Node, top: Open) -> None:
        if self._line(top.node.line)[top.node.column - 1 :].startswith("{{"):
            place: Node = top.node
            message = 'a value that starts with {{ must be quoted: "{{ … }}"'
        else:
            place, message = node, "a key must be text"
        if not top.node.broken:
            self.problems.append(Problem(place.line, place.column, self._path(), message))
        top.node.broken = True

    def close(self, event: Any) -> None:
        top = self._stack.pop()
        top.node.end = self._end(event)
        if top.anchor:
            self._anchors[top.anchor] = top.node
        if top.is_key:
            self._stack[-1].key = TextNode(top.node.line, top.node.column, "", broken=True)
        elif self._stack:
            self._grow(top.node)
            self._stack[-1].key = None

    def _end(self, event: Any) -> int:
        """The first line that no longer belongs to what ends here: in block style the next thing's."""
        is_flow = event.start_mark.index != event.end_mark.index
        end: int = event.end_mark.line + (2 if is_flow else 1)
        return end if end < len(self._lines) else len(self._lines) + 1

    def alias(self, event: Any) -> None:
        line, column = _place(event)
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            self._refuse(Node(line, column), f"more than {MOST_ALIASES} aliases ('*{event.anchor}')")
        node = self._anchors.get(event.anchor)
        if any(entry.anchor == event.anchor for entry in self._stack):
            self._refuse(Node(line, column), f"'*{event.anchor}' stands inside '&{event.anchor}' itself")
        if node is None:
            word = quote("*" + event.anchor)
            self._complain(
                line,
                column,
                f"YAML reads {word} as an alias, and there is no '&{event.anchor}'; "
                f'quote a pattern that starts with *: "*{event.anchor}"',
            )
            node = TextNode(line, column, "*" + event.anchor, broken=True)
        self._aliased += node.size
        if self._aliased > MOST_ALIASED:
            self._refuse(Node(line, column), "the aliases stand for too much text")
        if len(self._stack) + node.height > MOST_NESTING:
            self._refuse(Node(line, column), f"nested more than {MOST_NESTING} levels deep, through aliases")
        self._add(replace(node, line=line, column=column, aliased=True), None)

    def _tag(self, event: Any, node: Node) -> None:
        said = f"tags such as {quote(event.tag)} are not used here; quote text that starts with '!'"
        self._complain(node.line, node.column, said)
        node.broken = True

    def _add(self, node: Node, anchor: str | None) -> None:
        """A finished node: a scalar or an alias."""
        self._count(node)
        if anchor:
            self._anchors[anchor] = node
        top = self._stack[-1] if self._stack else None
        if top and top.wants_key:
            self._key(node, top)
            return
        self._attach(node)
        if top:
            self._grow(node)
            top.key = None

    def _key(self, node: Node, top: Open) -> None:
        key = node if isinstance(node, TextNode) else TextNode(node.line, node.column, "", broken=True)
        if not isinstance(node, TextNode):
            self._complain(node.line, node.column, "a key must be text")
        elif node.empty and not node.broken:
            self._complain(node.line, node.column, "there is no key before ':'")
            key = TextNode(node.line, node.column, "", broken=True)
        elif node.plain and node.text == "<<":
            self._complain(node.line, node.column, "merge keys ('<<') are not used here; write the keys out")
            key = TextNode(node.line, node.column, "", broken=True)
        if key.broken and isinstance(top.node, MapNode):
            top.node.doubled.add("")
        top.key = key

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if isinstance(top.node, ListNode):
            top.node.items.append(node)
        elif isinstance(top.node, MapNode) and top.key is not None and not top.key.broken:
            first = top.node.entries.get(top.key.text)
            if first:
                self._double(top.node, top.key, first[0])
            else:
                top.node.entries[top.key.text] = (top.key, node)

    def _double(self, node: MapNode, key: TextNode, first: TextNode) -> None:
        """A key once more; where the first key of a list's item is, that was to begin another item."""
        said = f"duplicate key {quote(key.text)}; the first is in line {first.line}"
        is_item = len(self._stack) > 1 and isinstance(self._stack[-2].node, ListNode)
        if is_item and not self._stack[-1].is_flow and key.text == next(iter(node.entries)):
            said += "; another item begins with '- '"
            self._merged = node
        if self._merged is not node or key.text == next(iter(node.entries)):
            self.problems.append(Problem(key.line, key.column, self._parent(), said))
        node.doubled.add(key.text)

    def _parent(self) -> str:
        key, self._stack[-1].key = self._stack[-1].key, None
        path = self._path()
        self._stack[-1].key = key
        return path

    def _grow(self, node: Node) -> None:
        parent = self._stack[-1].node
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)

    def _count(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._refuse(node, f"the file has more than {MOST_NODES:,} values")

    def _refuse(self, node: Node, message: str) -> None:
        self.problems.append(Problem(node.line, node.column, "", message))
        raise TooMuch


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


_HANDLERS: Final[dict[type, Any]] = {
    yaml.DocumentStartEvent: Builder.document,
    yaml.ScalarEvent: Builder.scalar,
    yaml.AliasEvent: Builder.alias,
    yaml.MappingStartEvent: Builder.open_map,
    yaml.SequenceStartEvent: Builder.open_list,
    yaml.MappingEndEvent: Builder.close,
    yaml.SequenceEndEvent: Builder.close,
}
