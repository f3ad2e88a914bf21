"""The building blocks of the rules language: each kind of value reads a node and describes itself.

A kind has `read`, which gives the value or notes what is wrong at its place and gives BAD, and
`schema`, its JSON Schema. The language itself is put together from these in `core.rules.language`, so what
is read, what is documented and what an editor completes are one thing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from bridge.core.suggestions import did_you_mean, listed, quote
from bridge.core.yaml_file.nodes import ListNode, Node, TextNode
from bridge.core.yaml_file.pasted import odd_space
from bridge.core.yaml_file.problems import Problem, Problems

BAD: Final[Any] = object()
"""In place of a value that could not be read and was complained about."""
Schema = dict[str, Any]
SCALAR: Final[Schema] = {"type": ["string", "number", "boolean"]}

TRUE: Final = ("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON")
FALSE: Final = ("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF")
_EMPTY: Final = "is empty"
_SHORT: Final = 60
"""Characters of a text that is repeated in advice."""


@dataclass(slots=True)
class Reading:
    """One run over a file: what was found wrong, and which names were used where.

    `references` are (what, name, node, path): names that must be checked once everything is read.
    `lost` are the lines that were skipped, by number and in order, so that what is missing may be in those.
    `marred` are the paths at which values are wrong, those that an alias repeats too.
    """

    problems: Problems = field(default_factory=Problems)
    references: list[tuple[str, str, Node, str]] = field(default_factory=list)
    lost: Mapping[int, str] = field(default_factory=dict)
    marred: set[str] = field(default_factory=set)
    _numbers: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = list(self.lost)

    def is_torn(self, node: Node) -> bool:
        """Whether lines or keys were skipped in this mapping or list."""
        return bool(self.lost_in(node)) or "" in getattr(node, "doubled", ())

    def lost_in(self, node: Node) -> list[int]:
        """The numbers of the lines that were skipped in it."""
        first = bisect_left(self._numbers, node.line)
        if not node.end:
            return self._numbers[first:]
        return self._numbers[first : bisect_left(self._numbers, max(node.end, node.line + 1))]

    def wrong(self, node: Node, path: str, message: str) -> Any:
        """Note an error at this node; gives BAD."""
        self.marred.add(path)
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


def form(base: Schema, pattern: str, otherwise: str) -> Schema:
    """The schema of texts of this pattern; editors say `otherwise` of others, and not the pattern."""
    return {**base, "pattern": pattern, "patternErrorMessage": otherwise}


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

    `expected` says in words what should stand there; `doubt` what is odd about a good text, "" for nothing.
    """

    expected: str
    parse: Callable[[str], Any] = str
    form: Mapping[str, Any] = field(default_factory=lambda: SCALAR)
    many_lines: bool = False
    doubt: Callable[[str], str] | None = None

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if node.broken:
            return BAD
        if not isinstance(node, TextNode) or node.empty:
            return mismatch(node, path, reading, self.expected)
        if problem := self._unclean(node):
            return reading.wrong(node, path, problem)
        try:
            value = self.parse(node.text)
        except ValueError as error:
            return reading.wrong(node, path, str(error))
        if self.doubt and (said := self.doubt(node.text)):
            reading.warn(node, path, said)
        return value

    def _unclean(self, node: TextNode) -> str:
        for c in node.text:
            if (c < " " and c not in "\t\n") or c == "\x7f":
                return (
                    f"holds a control character (U+{ord(c):04X}); "
                    "in double quotes a backslash begins an escape, so put the text in single quotes"
                )
        if self.many_lines:
            return ""
        if node.runs_on:
            return "the quote is not closed in this line"
        if "\n" in node.text.strip("\n"):
            return f"expected {self.expected} on one line"
        return "" if node.plain else odd_space(node.text)

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
        hint = ""
        if isinstance(node, TextNode):
            is_quoted = not node.plain and node.text in TRUE + FALSE
            hint = "; write it without quotes" if is_quoted else did_you_mean(node.text, ("true", "false"))
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


def mismatch(node: Node, path: str, reading: Reading, what: str, instead: str = "") -> Any:
    """Note that `what` should stand there; gives BAD. `instead` is the whole of it around a text, as `…`."""
    if isinstance(node, TextNode) and node.empty:
        return reading.wrong(node, path, f"{empty_hint(node)}; expected {what}")
    is_short = (
        instead and isinstance(node, TextNode) and 0 < len(node.text) <= _SHORT and node.text.isprintable()
    )
    hint = "; write " + instead.replace("…", node.text) if is_short and isinstance(node, TextNode) else ""
    return reading.wrong(node, path, f"expected {what}, got {found(node)}{hint}")
