"""Half a file: cut at any byte, it is told in plain words what is never closed, where that opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import Problem, RulesError
from tests.rules.cases import CASES

pytestmark = pytest.mark.no_cover  # it takes long, and its code is covered by cases

FLOW: Final = b"""\
{
  version: 1,
  "settings": {show: {email: false}, timezone: 'Europe/Lisbon'},
  rules: [  # in one list
    {name: "it's", when: {any: [{type: [a, "b, c"]}, {answers: {"T[o]pic": '*"x"*'}}]},
     post: [{to: ["#a", '@host'], mention: host}, {to: "#b"}]},
    {name: b, stop: yes, when: {not: {booker: {email: "*@x.com"}}}},
  ],
  otherwise: {post: {to: "#rest"}},
  messages: {m: {title: "{{ event.verb }}", fields: {When: '{{ booking | when }}'}}},
}
"""
FILES: Final = {
    "shipped": (Path(__file__).parents[2] / "rules.yaml").read_bytes(),
    "every key": (CASES / "good_every_key.yaml").read_bytes(),
    "flow": FLOW,
}
JARGON: Final = re.compile(
    r"did not find|could not find|while (parsing|scanning)|node|token|scalar|flow|block (mapping|sequence)|"
    r"stream|indicator|not YAML"
)


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_good(name: str) -> None:
    """Uncut they can be used."""
    load(FILES[name])


STRIDE: Final = 13
"""Bytes between cuts; no step of YAML's repeats with it. With 1 the test takes minutes under coverage."""


def _cuts(name: str) -> Iterator[int]:
    """Everywhere a little, and behind each character that means something where they are many."""
    for end in range(len(FILES[name])):
        if end % STRIDE == 0 or (name == "flow" and FILES[name][end - 1 : end] in b"'\"[{"):
            yield end


@pytest.mark.parametrize("name", FILES)
def test_cut_anywhere(name: str) -> None:
    """Every cut is a file or a list of problems that names the innermost thing that is open."""
    for end in _cuts(name):
        problems = _problems(FILES[name][:end])
        assert not [each for each in problems if JARGON.search(each.message)], end
        place = _open(FILES[name][:end].decode(errors="ignore"))
        if place:
            closings = [
                p for p in problems if p.message.startswith(("'{' is never", "'[' is never", "the quote"))
            ]
            assert place in {(each.line, each.column) for each in closings}, (end, problems)
            assert len(closings) == 1


def _problems(text: bytes) -> tuple[Problem, ...]:
    try:
        load(text)
    except RulesError as error:
        return error.errors
    return ()


def _open(text: str) -> tuple[int, int] | None:
    """The place of the innermost quote, bracket or brace that is never closed, read naively."""
    found: list[tuple[int, int]] = []
    for number, line in enumerate(text.split("\n"), 1):
        for part in re.finditer(r"(?:^|(?<=\s))#.*|\"[^\"]*\"?|(?<!\w)'[^']*'?|[\[{\]}]", line):
            mark = part[0]
            if mark in ("[", "{"):
                found.append((number, part.start() + 1))
            elif mark in ("]", "}"):
                found.pop()
            elif mark[0] in "\"'" and (len(mark) == 1 or mark[-1] != mark[0]):
                return number, part.start() + 1
    return found[-1] if found else None
