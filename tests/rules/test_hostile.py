"""Files that want to harm, and files that are noise: an error with its place, soon, in little memory."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import RulesError
from tests.bench.rules import realistic_rules
from tests.rules.cases import CASES
from tests.rules.hostile import FILES, messages
from tests.work import calls

pytestmark = pytest.mark.no_cover  # it takes long, and its code is covered by cases

MOST_CALLS: Final = 2_000_000
"""Of functions, for any file: at the limit of 100,000 values it is some ten for each."""


@pytest.mark.parametrize("name", FILES)
def test_hostile_file(name: str) -> None:
    """It is refused with a place, after a bounded number of problems and of steps."""
    text, expected = FILES[name]
    caught: list[RulesError] = []

    def refuse() -> None:
        with pytest.raises(RulesError) as raised:
            load(text.encode())
        caught.append(raised.value)

    assert calls(refuse) < MOST_CALLS
    assert expected in "\n".join(problem.message for problem in caught[0].errors)
    assert all(problem.line > 0 and problem.column > 0 for problem in caught[0].problems)
    assert len(caught[0].problems) <= 201


def test_hostile_files_end() -> None:
    """No single call takes for ever either, such as a search that goes back and forth in a long line."""
    script = (
        "from bridge.core.yaml_file.problems import RulesError; from bridge.core.rules.file import load\n"
        "from tests.rules.hostile import FILES\n"
        "for text, _ in FILES.values():\n"
        "    try: load(text.encode())\n"
        "    except RulesError: pass\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("name", ["alias bomb", "values", "huge"])
def test_memory(name: str) -> None:
    """Neither 100 MB nor a bomb take more than 200 MB beyond the text itself."""
    script = (
        "import resource, sys\n"
        "from bridge.core.rules.file import load, RulesError\n"
        "from tests.rules.hostile import FILES\n"
        f"text = b'a: b\\n' * 20_000_000 if {name!r} == 'huge' else FILES[{name!r}][0].encode()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: load(text)\n"
        "except RulesError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout) // (1 if sys.platform == "linux" else 1024)
    assert kilobytes < 200_000
    assert resource.getpagesize() > 0


def _loads(text: bytes) -> None:
    """Nothing but RulesError may be raised, and never without a reason at a place."""
    try:
        load(text)
    except RulesError as error:
        problems = error.problems
    else:
        return
    assert any(problem.severity == "error" for problem in problems)
    assert all(problem.line > 0 and problem.column > 0 for problem in problems)


@settings(deadline=None)
@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf")
@example(b"a: \xc2\x85 @b")
@example(b"- \xe2\x80\xa8@")
def test_any_bytes(text: bytes) -> None:
    """Any bytes are a file or a list of problems."""
    _loads(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-@*&!#%`'\"{}[],|>?~<\\/ \t\n\u00a0“”019.", max_size=80))
def test_any_punctuation(text: str) -> None:
    """Text full of YAML's own characters is a file or a list of problems."""
    _loads(text.encode())
    _loads(b"version: 1\nrules:\n  - name: " + text.encode() + b"\n    post: {to: a}\n")


WHOLE = (CASES / "good_every_key.yaml").read_bytes() + b"\n"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE)), st.binary(max_size=3), st.integers(0, 40))
def test_damaged_files(at: int, inserted: bytes, lost: int) -> None:
    """A good file with a piece lost and another put in its place is a file or a list of problems."""
    _loads(WHOLE[:at] + inserted + WHOLE[at + lost :])


def test_checking_is_linear() -> None:
    """Twice as many rules are at most a little more than twice the work."""
    load(realistic_rules(10).encode())  # what is worked out once, such as the samples
    small, large = realistic_rules(500).encode(), realistic_rules(1_000).encode()
    one, two = calls(lambda: load(small)), calls(lambda: load(large))
    assert two < 2.2 * one
    assert two < MOST_CALLS


def test_messages_are_prepared_within_bounds() -> None:
    """As many as a file may have, all of them different, and the same ones a second time."""
    text = messages(1_990).encode()
    first, again = calls(lambda: load(text)), calls(lambda: load(text + b"\n"))
    assert first < 2 * MOST_CALLS
    assert again < first / 2


def test_mistakes_in_a_large_file_are_found() -> None:
    """Twenty mistakes strewn over a thousand rules are twenty problems in their lines."""
    lines = realistic_rules(1_000).splitlines()
    places = [n for n, line in enumerate(lines) if line.startswith("    post:")]
    spoilt = sorted(random.Random(7).sample(places, 20))
    for number in spoilt:
        lines[number] = lines[number].replace("post:", "pots:")
    with pytest.raises(RulesError) as caught:
        load("\n".join(lines).encode())
    assert [problem.line - 1 for problem in caught.value.errors if "pots" in problem.message] == spoilt
