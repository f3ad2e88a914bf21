"""Files that want to harm, and files that are noise: an error with its place, soon, in little memory."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.core.problems import RulesError
from bridge.core.rules_file import load
from tests.bench.rules import realistic_rules
from tests.rules.cases import CASES

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 11)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 99))
FILES = {
    "alias bomb": (BOMB, "the aliases stand for too much text"),
    "chain of aliases": (CHAIN, "nested more than 50 levels deep, through aliases"),
    "many aliases": ("a: &a x\nb: [" + "*a, " * 101 + "]", "more than 100 aliases ('*a')"),
    "flow nesting": ("[" * 200_000, "nested more than 50 levels deep"),
    "map nesting": ("{a: " * 100_000, "nested more than 50 levels deep"),
    "block nesting": (
        "\n".join(" " * n + "a:" for n in range(1_000)),
        "nested more than 50 levels deep",
    ),
    "dashes": ("- " * 400_000, "nested more than 50 levels deep"),
    "own alias": ("&a [*a]", "'*a' stands inside '&a' itself"),
    "values": ("[" + "a," * 500_000 + "]", "the file has more than 100,000 values"),
    "too long": ("#" * (1 << 20) + "\n", "the file is larger than 1 MiB"),
    "tag": ("version: !!python/object/apply:os.system ['true']", "tags such as 'tag:yaml.org"),
    "rules": (
        "version: 1\nrules:\n" + "- {post: {to: a}}\n" * 5_001,
        "more than 5,000 rules",
    ),
    "unknown keys": ("version: 1\n" + "".join(f"kye{n}: 1\n" for n in range(40_000)), "unknown key"),
    "ats": ("version: 1\nrules:\n" + "- {post: {to: @a}}\n" * 20_000, "YAML reserves '@'"),
    "quotes": ('"' * 1_000_000, ""),
    "tabs": ("\t" * 1_000_000, ""),
    "colons": ("a: " * 300_000, ""),
    "question marks": ("? " * 400_000, ""),
    "long key": ("a" * 1_000_000 + ": 1", ""),
    "long pattern": (
        "version: 1\nrules: [{when: {type: '/" + "(a|b)*" * 150_000 + "/'}, stop: true}]",
        "may have 2,000 characters",
    ),
    "globs": ("version: 1\nrules: [{when: {type: '" + "*a" * 400_000 + "'}, stop: true}]", ""),
    "anchors": ("".join(f"&a{n} k{n}: 1\n" for n in range(60_000)), ""),
    "braces": ("{" * 1_000_000, ""),
    "curly": ("“: " * 200_000, ""),
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_file(name: str) -> None:
    """It is refused with a place, and does not hang; how fast, no test asserts."""
    text, expected = FILES[name]
    start = time.process_time()
    with pytest.raises(RulesError) as caught:
        load(text.encode())
    assert time.process_time() - start < 3
    assert expected in "\n".join(problem.message for problem in caught.value.errors)
    assert all(problem.line > 0 and problem.column > 0 for problem in caught.value.problems)


@pytest.mark.parametrize("name", ["alias bomb", "values", "huge"])
def test_memory(name: str) -> None:
    """Neither 100 MB nor a bomb take more than 200 MB beyond the text itself."""
    script = (
        "import resource, sys\n"
        "from bridge.core.rules_file import load, RulesError\n"
        "from tests.rules.test_hostile import FILES\n"
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


@pytest.mark.parametrize("end", range(0, len(WHOLE), 7))
def test_half_saved(end: int) -> None:
    """Half a file never takes the service down."""
    _loads(WHOLE[:end])


def test_a_large_file_is_checked_in_two_seconds() -> None:
    """A thousand rules are checked in at most two seconds."""
    text = realistic_rules(1_000).encode()
    start = time.process_time()
    assert len(load(text).rules.rules) == 1_000
    assert time.process_time() - start < 2


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


def test_hostile_files_are_refused_soon() -> None:
    """Each within three seconds of processor time, in a process that no coverage traces."""
    script = (
        "import time; from bridge.core.problems import RulesError; from bridge.core.rules_file import load\n"
        "from tests.rules.test_hostile import FILES\n"
        "for name, (text, _) in FILES.items():\n"
        "    start = time.process_time()\n"
        "    try: load(text.encode())\n"
        "    except RulesError: pass\n"
        "    assert time.process_time() - start < 3, name\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
