"""What is not known of the rules because of what is wrong in the file, so that examples are judged fairly.

A mistake in a rule leaves open whether the rule matches, where it posts or whether it stops; only what
no mending of it could change is said of an example.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bridge.core.rules.conditions import All, AnyOf, Condition, Not
from bridge.core.rules.grammar import Reading
from bridge.core.rules.rules import Rules
from bridge.core.suggestions import nearest
from bridge.core.yaml_file.nodes import ListNode, MapNode, Node, TextNode, broken, texts
from bridge.core.yaml_file.problems import Problem

_HARMLESS: Final = (".name", ".message", ".mention", ".style", ".broadcast")
"""Parts of a rule that do not decide where an event goes."""
_ITEM: Final = re.compile(r"rules\[\d+\]")
_WORD: Final = re.compile(r"[#@\w.:-]{2,}")
_KEYS: Final = frozenset({"post", "to", "when", "name", "stop", "type", "event", "message", "mention"})
_CLOCKED: Final = ("day", "time")


@dataclass(frozen=True, slots=True)
class Anywhere:
    """Destinations that cannot be read. `hints` are texts that look like them; None: not even that."""

    hints: tuple[str, ...] | None = None

    def may_be(self, destination: str) -> bool:
        """Whether the destination may be meant."""
        if self.hints is None:
            return True
        said = {_bare(hint) for hint in self.hints} - {""}
        name = _bare(destination)
        return any(name in hint or hint in name for hint in said) or nearest(name, said) is not None


def _bare(destination: str) -> str:
    return re.sub(r"\W+", "", destination.casefold())


@dataclass(frozen=True, slots=True)
class Suspect:
    """A rule that is not wholly known: whether its `when` is, where else it may post, whether it may stop.

    `position` is its number among the rules that could be read; one that could not lies between two.
    """

    position: float
    when: bool = True
    to: Anywhere | None = Anywhere()
    stop: bool = True


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is doubtful: everything, some rules by position, and where `otherwise` posts.

    Of the problems `mended` it is known what was meant.
    """

    everything: bool = False
    rules: tuple[Suspect, ...] = ()
    otherwise: Anywhere | None = None
    mended: frozenset[Problem] = frozenset()

    @property
    def positions(self) -> frozenset[float]:
        return frozenset(suspect.position for suspect in self.rules)


NO_DOUBTS: Final = Doubts()


@dataclass
class _Marks:
    """The paths at which something is wrong."""

    reading: Reading
    root: MapNode
    paths: set[str]
    items: set[str] = field(init=False)
    """The rules with something wrong in them, by path."""
    strangers: list[Node] = field(init=False)
    """What stands under keys of the file that are not known."""
    is_clock_open: bool = field(init=False)
    are_people_open: bool = field(init=False)

    def __post_init__(self) -> None:
        found = (_ITEM.match(path) for path in self.paths)
        self.items = {each[0] for each in found if each}
        wrong = {(p.line, p.column) for p in self.reading.problems if not p.path and p.severity == "error"}
        entries = self.root.entries.values()
        self.strangers = [value for key, value in entries if (key.line, key.column) in wrong]
        settings, people = self.root.get("settings"), self.root.get("people")
        self.is_clock_open = (
            self.at("settings")
            or self.within("settings.timezone")
            or (settings is not None and self.reading.is_torn(settings))
        )
        self.are_people_open = self.within("people") or (people is not None and self.reading.is_torn(people))

    def at(self, path: str) -> bool:
        """Whether something is wrong with this value as a whole."""
        return path in self.paths

    def within(self, path: str, harmless: tuple[str, ...] = ()) -> bool:
        """Whether something is wrong in this value, except in what ends so."""
        below = (f"{path}.", f"{path}[")
        return any(
            p == path or (p.startswith(below) and not (harmless and p.endswith(harmless))) for p in self.paths
        )


def find_doubts(reading: Reading, root: Node | None, rules: Rules, mended: frozenset[Problem]) -> Doubts:
    """What the problems found so far leave open; those `mended` leave nothing open."""
    if not isinstance(root, MapNode):
        return Doubts(everything=True)
    wrong = {p.path for p in reading.problems if p.severity == "error" and p not in mended}
    marks = _Marks(reading, root, wrong | reading.marred | {path for _, path in broken(root)})
    places = {path: node for what, _, node, path in reading.references if what == "place"}
    stray = _stray(marks, rules)
    if stray or len(places) != len(rules.rules) or marks.at("rules") or "rules" in root.doubled:
        return Doubts(everything=True)
    suspects = [_suspect(marks, n, path, node, rules) for n, (path, node) in enumerate(places.items())]
    lines = [node.line for node in places.values()]
    unread = [
        Suspect(sum(line < at for line in lines) - 0.5, to=_named([text]), stop="stop" in text)
        for at, text in _unread(marks, places)
    ]
    return Doubts(False, (*filter(None, suspects), *unread), _otherwise(marks), mended)


def _stray(marks: _Marks, rules: Rules) -> bool:
    """Whether the rules themselves may stand under a misspelt key or in lost lines."""
    if rules.rules or "rules" in marks.root.entries:
        return False
    return bool(marks.strangers) or marks.reading.is_torn(marks.root)


def _unread(marks: _Marks, places: dict[str, Node]) -> Iterator[tuple[int, str]]:
    """The lines of rules that could not be read at all, and what is known of their text."""
    listed = marks.root.get("rules")
    if not isinstance(listed, ListNode):
        return
    for number, item in enumerate(listed.items):
        if f"rules[{number}]" not in places:
            yield item.line, " ".join(text.text for text in texts(item))
    held = {n for node in places.values() for n in marks.reading.lost_in(node)}
    for number in marks.reading.lost_in(listed):
        if number not in held:
            yield number, marks.reading.lost[number]


def _suspect(marks: _Marks, number: int, path: str, node: Node, rules: Rules) -> Suspect | None:
    """What is open of one rule; None when nothing is."""
    rule, torn = rules.rules[number], marks.reading.is_torn(node)
    unsettled = _unsettled(marks, rule.when)
    if not isinstance(node, MapNode) or not (torn or unsettled or path in marks.items):
        return None
    unknown = {
        key: torn
        or key in node.doubled
        or marks.within(f"{path}.{key}", _HARMLESS)
        or (marks.at(path) and key not in node.entries)
        for key in ("when", "post", "stop")
    }
    is_posting = rule.posts and all(post.to for post in rule.posts)
    only_keys = marks.at(f"{path}.post") and not marks.within(f"{path}.post.to")
    if unknown["post"] and only_keys and is_posting and not torn and "post" not in node.doubled:
        unknown["post"] = False
    unknown["when"] = unknown["when"] or unsettled
    if not any(unknown.values()):
        return None
    if torn:
        gone = [marks.reading.lost[n] for n in marks.reading.lost_in(node)]
        stops = rule.stop or any("stop" in text for text in gone)
        return Suspect(number, True, _named([*gone, *(_hints(node) or ())]), stops)
    to = Anywhere(_hints(node)) if unknown["post"] else None
    return Suspect(number, unknown["when"], to, unknown["stop"])


def _named(lines: Iterable[str]) -> Anywhere:
    """What may be a destination in lines that could not be read."""
    words = (word for line in lines for word in _WORD.findall(line))
    return Anywhere(tuple(word for word in words if word.rstrip(":") not in _KEYS))


def _unsettled(marks: _Marks, condition: Condition) -> bool:
    """Whether the answer hangs on settings or people that could not be read."""
    if not (marks.is_clock_open or marks.are_people_open):
        return False
    asked = set(_asked(condition))
    by_clock = marks.is_clock_open and not asked.isdisjoint(_CLOCKED)
    return by_clock or (marks.are_people_open and "host" in asked)


def _asked(condition: Condition) -> Iterator[str]:
    if isinstance(condition, All):
        for part in condition.parts:
            yield from _asked(part)
    elif isinstance(condition, Not):
        yield from _asked(condition.inner)
    elif isinstance(condition, AnyOf):
        for alternative in condition.alternatives:
            yield from _asked(alternative)
    else:
        yield str(getattr(condition, "path", ""))


def _hints(node: MapNode) -> tuple[str, ...] | None:
    """The texts of a rule or of `otherwise` that may name destinations."""
    values = [value for key, (_, value) in node.entries.items() if key not in ("when", "name", "stop")]
    return _texts(values)


def _texts(values: Iterable[Node]) -> tuple[str, ...] | None:
    found: list[TextNode] = [text for value in values for text in texts(value)]
    if any(text.broken for text in found):
        return None
    return tuple(text.comment or text.text for text in found)


def _otherwise(marks: _Marks) -> Anywhere | None:
    node = marks.root.get("otherwise")
    if node is None:
        if marks.reading.lost:
            return _named(marks.reading.lost.values())
        return Anywhere(_texts(marks.strangers)) if marks.strangers else None
    torn = marks.reading.is_torn(node)
    if torn or marks.within("otherwise", _HARMLESS) or "otherwise" in marks.root.doubled:
        if torn:
            gone = [marks.reading.lost[n] for n in marks.reading.lost_in(node)]
            return _named([*gone, *(_texts([node]) or ())])
        return Anywhere(_texts([node]))
    return None
