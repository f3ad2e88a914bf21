"""YAML text to a tree of nodes with places, under limits that hold while it is being read.

Scalars keep their source text: `yes`, `1e3` and `9:30` are the texts written, and whoever reads a
node decides what it means. Only plain YAML: no tags, merge keys or second document. The parser is
libyaml's through PyYAML; what it refuses is explained and worked around by `core.yaml_slips`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import yaml

from bridge.core.nodes import Node, places
from bridge.core.problems import Problem
from bridge.core.yaml_builder import Builder, TooMuch
from bridge.core.yaml_refusal import Slip
from bridge.core.yaml_slips import explain_slip

MOST_BYTES: Final = 1 << 20
MOST_REPAIRS: Final = 25
MOST_REPARSED: Final = 3 << 19
_LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


@dataclass(slots=True)
class Tree:
    """What could be read of a file. `partial` says that lines were skipped after a mistake in them."""

    root: Node | None
    problems: list[Problem]
    partial: bool = False


def read_tree(text: bytes) -> Tree:
    """The tree of this text with every mistake in its YAML, each at its place. Never raises."""
    problem = _unreadable(text)
    if problem:
        return Tree(None, [problem], partial=True)
    lines = _LINE_BREAK.split(text.decode("utf-8-sig"))
    slips: list[Slip] = []
    budget = MOST_REPARSED
    while True:
        builder = Builder(lines, bool(slips))
        try:
            builder.build()
        except TooMuch:
            builder.root = None
            break
        except (yaml.YAMLError, UnicodeError) as error:
            slip = explain_slip(error, lines, slips)
            slips.append(slip)
            budget -= len(text)
            if slip.repaired is None or slip.repaired == lines or len(slips) > MOST_REPAIRS or budget < 0:
                break
            lines = slip.repaired
        else:
            if builder.root is not None or not slips:
                return _tree(builder, slips, partial=any(slip.loses for slip in slips))
            break
    return _tree(builder, slips, partial=True)


def _tree(builder: Builder, slips: list[Slip], *, partial: bool) -> Tree:
    paths = sorted(places(builder.root)) if slips and builder.root else []
    told = [
        Problem(slip.line, slip.column, _path_at(paths, slip), slip.message) for slip in slips if slip.message
    ]
    return Tree(builder.root, told + builder.problems, partial)


def _path_at(paths: list[tuple[tuple[int, int], str]], slip: Slip) -> str:
    """The path of the last value that begins in the slip's line, not after it."""
    number = bisect_right(paths, ((slip.line, slip.column), "\U0010ffff"))
    if not number or paths[number - 1][0][0] != slip.line:
        return ""
    return paths[number - 1][1]


def _unreadable(text: bytes) -> Problem | None:
    if len(text) > MOST_BYTES:
        return Problem(1, 1, "", "the file is larger than 1 MiB")
    if text.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in text[:4]:
        return Problem(1, 1, "", "the file is saved as UTF-16; save it as UTF-8")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        before = _LINE_BREAK.split(text[: error.start].decode())
        column = len(before[-1].removeprefix("\ufeff")) + 1
        message = f"the byte 0x{text[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return Problem(len(before), column, "", message)
    return None
