"""YAML text to a tree of nodes with places, under limits that hold while it is being read.

Scalars keep their source text: `yes`, `1e3` and `9:30` are the texts written, and whoever reads a
node decides what it means. Only plain YAML: no tags, merge keys or second document. The parser is
libyaml's through PyYAML; what it refuses is explained and worked around by `core.yaml_file.slips`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import yaml

from bridge.core.yaml_file.builder import Builder
from bridge.core.yaml_file.nodes import Node, places
from bridge.core.yaml_file.pasting import odd_breaks, without_conflicts
from bridge.core.yaml_file.problems import Problem
from bridge.core.yaml_file.refusal import PARTIAL_TEXT, Misread, Slip, TooMuch, refused
from bridge.core.yaml_file.slips import CANNOT, explain_slip

MOST_BYTES: Final = 1 << 20
MOST_REPAIRS: Final = 25
MOST_REPARSED: Final = 3 << 19
_NOT_TEXT: Final = (
    (re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff|\0\0\0."), "the file is saved as UTF-32; save it as UTF-8"),
    (re.compile(rb"\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0"), "the file is saved as UTF-16; save it as UTF-8"),
    (re.compile(rb"\{\\rtf"), "the file is saved as rich text (RTF); save it as plain text"),
    (
        re.compile(rb"PK\x03\x04|%PDF|\x1f\x8b|\xd0\xcf\x11\xe0"),
        "the file is no plain text",
    ),
    (
        re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE),
        "the file is a web page, not the text itself",
    ),
)
"""How a file begins that some program saved otherwise than as text, and what to say."""
_LINE_BREAK: Final = re.compile("\r\n|[\r\n]")


@dataclass(slots=True)
class Tree:
    """What could be read of a file.

    `lost` are the lines that were skipped after a mistake in them, by number and in order. `mended` are
    the problems in spite of which it is known what was meant.
    """

    root: Node | None
    problems: list[Problem]
    lost: Mapping[int, str] = field(default_factory=dict)
    mended: frozenset[Problem] = frozenset()


def read_tree(text: bytes) -> Tree:
    """The tree of this text with every mistake in its YAML, each at its place. Never raises."""
    problem = _unreadable(text)
    if problem:
        return Tree(None, [problem], lost={1: ""})
    written, slips = odd_breaks(_LINE_BREAK.split(text.decode("utf-8-sig")))
    lines, conflicts = without_conflicts(written)
    lost = {n: old for n, (old, new) in enumerate(zip(written, lines, strict=True), 1) if old != new}
    work = _Work(lines, [*slips, *conflicts], MOST_REPARSED, lost)
    while True:
        builder = Builder(work.lines, bool(work.slips))
        try:
            builder.build()
        except TooMuch:
            builder.root = None
            work.lose(1)
        except Misread as misread:
            if work.repair(misread.slip, len(text)):
                continue
        except (yaml.YAMLError, UnicodeError) as error:
            refusal = replace(refused(error, work.lines), opened=builder.opened, swallowed=builder.swallowed)
            slip = explain_slip(refusal, work.slips)
            if refusal.is_at_end and slip.loses:  # half a file, and what is missing was still to come
                work.lost.setdefault(len(work.lines), "")
            if work.repair(slip, len(text)):
                continue
        return _tree(builder, work)


@dataclass(slots=True)
class _Work:
    """The lines as far as they are mended, the mistakes found, and how many bytes may still be read again."""

    lines: list[str]
    slips: list[Slip]
    budget: int
    lost: dict[int, str] = field(default_factory=dict)

    def repair(self, slip: Slip, size: int) -> bool:
        """Note the mistake and mend it; False when that cannot be done, and what follows it is lost."""
        self.slips.append(slip)
        self.budget -= size
        is_enough = len(self.slips) > MOST_REPAIRS or self.budget < 0
        if is_enough or slip.repaired is None or slip.repaired == self.lines:
            self.lose(slip.line)
            return False
        if slip.loses:
            self._compare(slip.repaired)
        self.lines = slip.repaired
        return True

    def _compare(self, after: list[str]) -> None:
        """Note the lines that a repair took out; one that only lost its value is known by its broken node."""
        for number, (old, new) in enumerate(zip(self.lines, after, strict=True), 1):
            if old != new and PARTIAL_TEXT not in new:
                self.lost.setdefault(number, old)

    def lose(self, first: int) -> None:
        """Note that everything from this line on was not read."""
        for number, text in enumerate(self.lines[first - 1 :], first):
            self.lost.setdefault(number, text)


def _tree(builder: Builder, work: _Work) -> Tree:
    paths = sorted(places(builder.root)) if work.slips and builder.root else []
    told = {
        slip: Problem(slip.line, slip.column, _path_at(paths, slip), slip.message)
        for slip in work.slips
        if slip.message
    }
    if work.slips and not told:  # never take a file for good that could only be read otherwise than written
        first = work.slips[0]
        told = {first: Problem(first.line, first.column, "", CANNOT)}
    mended = {problem for slip, problem in told.items() if not slip.loses}
    if builder.root is None and work.slips:
        work.lose(1)
    lost = dict(sorted(work.lost.items()))
    return Tree(builder.root, [*told.values(), *builder.problems], lost, frozenset(mended | builder.mended))


def _path_at(paths: list[tuple[tuple[int, int], str]], slip: Slip) -> str:
    """The path of the last value that begins in the slip's line, not after it."""
    number = bisect_right(paths, ((slip.line, slip.column), "\U0010ffff"))
    if not number or paths[number - 1][0][0] != slip.line:
        return ""
    return paths[number - 1][1]


def _unreadable(text: bytes) -> Problem | None:
    if len(text) > MOST_BYTES:
        return Problem(1, 1, "", "the file is larger than 1 MiB")
    for sign, said in _NOT_TEXT:
        if sign.match(text):
            return Problem(1, 1, "", said)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        before = _LINE_BREAK.split(text[: error.start].decode())
        column = len(before[-1].removeprefix("\ufeff")) + 1
        message = f"the byte 0x{text[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return Problem(len(before), column, "", message)
    return None
