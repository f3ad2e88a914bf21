"""One mistake is one problem, in plain words at its place, and a failing example beside it is told too."""

from __future__ import annotations

from typing import Final

import pytest

from bridge.core.rules.file import load
from bridge.core.yaml_file.problems import RulesError

FILE: Final = """\
version: 1
settings:
  timezone: Europe/Lisbon
rules:
  - name: a
    when: {type: Intro}
    post: {to: "#sales"}
  - name: b
    when: {type: Demo}
    post: {to: "#demo"}
otherwise:
  post: {to: "#rest"}
messages:
  m:
    title: "Hello {{ booking.type }}"
types:
  Intro: {message: m}
examples:
  - event: {type: Demo}
    posts: ["#wrong"]
  - event: {type: Intro}
    posts: ["#sales"]
  - event: {type: Other}
    posts: ["#rest"]
"""
_FITS: Final = "this line does not fit in here; compare its indentation with the lines above"
_PASTED: Final = "pasted from a chat or document; type an ordinary space"
# fmt: off
MISTAKES: Final = {
    "zone": ("Lisbon", "Lisbonn", "3:13: settings.timezone: time zone 'Europe/Lisbonn'"),
    "tab": ("  timezone", "\ttimezone", "3:1: a tab; YAML indents with spaces only"),
    "tab in a rule": ("    when: {type: Intro}", "\twhen: {type: Intro}", "6:1: a tab; YAML"),
    "tab before a dash": ("  - name: b", "\t- name: b", "8:1: a tab; YAML"),
    "all tabs": ("  ", "\t", "3:1: a tab; YAML"),
    "bracket": ('to: "#sales"}', 'to: ["#sales"}', "7:25: rules[0].post: expected ',' or ']' before '}'"),
    "brace": ('{to: "#rest"}', '{to: "#rest"', "12:9: otherwise.post: '{' is never closed"),
    "brace of a type": ("message: m}", "message: m", "17:10: types.Intro: '{' is never closed"),
    "quote": ('"#sales"}', '"#sales}', "7:16: rules[0].post: the quote \" is never closed in this line"),
    "quote of a title": ('type }}"', "type }}", "15:12: messages.m.title: the quote \" is never closed"),
    "otherwise": ('"#rest"}', '"#the rest"}', "12:14: otherwise.post.to: '#the rest' is not a channel name"),
    "text for a rule": ("  - name: b", "  - text\n  - name: b", "8:5: rules[1]: expected a rule: a mapping"),
    "empty rule": ("  - name: b", "  -\n  - name: b", "8:4: rules[1]: is empty; expected a rule"),
    "too deep": ('    post: {to: "#sales"}', '     post: {to: "#sales"}', f"7:6: {_FITS}"),
    "too shallow": ('    post: {to: "#sales"}', '   post: {to: "#sales"}', f"7:4: {_FITS}"),
    "shallow title": ("    title:", "   body: x\n    title:", "16:10: this line is indented more"),
    "no colon before a brace": ("when: {type: Intro}", "when {type: Intro}", "6:5: rules[0]: expected ': '"),
    "no colon in a rule": ("name: a", "name a", "5:5: rules[0]: expected ': '"),
    "no colon after messages": ("messages:\n", "messages\n", "13:1: expected ': ' (a colon and a space)"),
    "no colon after rules": ("rules:\n", "rules\n", "4:1: expected ': ' (a colon and a space) after 'rules'"),
    "no colon in otherwise": ('post: {to: "#rest"}', 'post {to: "#rest"}', "12:3: otherwise: expected ': '"),
    "rules misspelt": ("rules:", "rulse:", "4:1: unknown key 'rulse' (did you mean 'rules'?)"),
    "otherwise misspelt": ("otherwise:", "otherwize:", "11:1: unknown key 'otherwize'"),
    "post misspelt": ('post: {to: "#sales"}', 'pots: {to: "#sales"}', "7:5: rules[0]: unknown key 'pots'"),
    "to misspelt": ('{to: "#sales"}', '{too: "#sales"}', "7:12: rules[0].post: unknown key 'too'"),
    "odd space in braces": (
        '{to: "#sales"}',
        '{to:\u00a0"#sales"}',
        f"7:15: rules[0].post: after 'to:' stands a non-breaking space (U+00A0), {_PASTED}",
    ),
    "odd space": (
        'post: {to: "#sales"}',
        "post:\n      to:\u00a0sales\n      style: card",
        f"8:10: rules[0].post: after 'to:' stands a non-breaking space (U+00A0), {_PASTED}",
    ),
    "odd spaces before a key": (
        "    when: {type: Intro}",
        "\u00a0\u00a0\u00a0\u00a0when: {type: Intro}",
        "6:1: 'when: {type: Intro}' holds a non-breaking space (U+00A0)",
    ),
    "dash": ("  - name: b", "   - name: b", f"8:4: {_FITS}"),
    "colon in a title": (
        '"Hello {{ booking.type }}"',
        "Hello: {{ booking.type }}",
        "15:12: messages.m.title: a value with ': ' in it must be quoted",
    ),
    "no dash": (
        "  - name: b",
        "    name: b",
        "8:5: rules[0]: duplicate key 'name'; the first is in line 5; another item begins with '- '",
    ),
    "if": ("when: {type: Intro}", "if: {type: Intro}", "6:5: rules[0]: unknown key 'if'"),
    "channel": ('{to: "#sales"}', '{channel: "#sales"}', "7:12: rules[0].post: unknown key 'channel'"),
    "nothing": ('{to: "#sales"}', "{to:}", "7:14: rules[0].post: there is no value after 'to:'"),
    "emoji": ("message: m}", "emoji: :tada:}", "17:18: types.Intro: a value that starts with ':'"),
    "list without brackets": (
        "when: {type: Intro}",
        "when:\n      event: created, confirmed",
        "7:14: rules[0].when.event: 'created, confirmed' is not an event; several are a list: [created",
    ),
    "template": ("type }}", "type }", "15:12: messages.m.title: '{{' is never closed"),
    "NUL": ("name: a", "name: a\0", "5:12: rules[0].name: control characters are not allowed"),
    "line separator": ("name: a", "name: a\u2028b", "5:12: rules[0].name: an invisible line break (U+2028)"),
    "next line": ("name: a", "name: a\u0085b", "5:12: rules[0].name: an invisible line break (U+0085)"),
    "wide colon": ("name: a", "name\uff1a a", "5:9: rules[0]: the colon after 'name' is"),
    "wide colon in braces": ('to: "#sales"', 'to\uff1a"#sales"', "7:14: rules[0].post: the colon after"),
    "wide colon of a block": (
        'post: {to: "#sales"}',
        'post\uff1a\n      to: "#sales"',
        "7:9: the colon after 'post' is a wide one (U+FF1A); type ':' and a space",
    ),
    "comment": ('{to: "#sales"}', "{to: #sales}", "7:16: rules[0].post.to: YAML reads '#sales'"),
    "curly quotes": ('"#sales"}', "“#sales”}", "7:16: rules[0].post.to: '“#sales”' stands in"),
    "mention": ('"#sales"}', '"#sales", mention: hots}', "7:35: rules[0].post.mention: 'hots'"),
}
# fmt: on


@pytest.mark.parametrize("name", MISTAKES)
def test_one_mistake(name: str) -> None:
    """The problem, the example that fails whatever was meant, and nothing else."""
    good, bad, expected = MISTAKES[name]
    assert good in FILE
    text = FILE.replace(good, bad) if name == "all tabs" else FILE.replace(good, bad, 1)
    with pytest.raises(RulesError) as caught:
        load(text.encode())
    problem, example, *others = str(caught.value).splitlines()
    assert problem.startswith(f"rules.yaml:{expected}")
    assert ": examples[0].posts: this example does not hold" in example
    assert others == ["2 problems"]


DOUBTFUL: Final = FILE.replace("when: {type: Demo}", "when: {type: Demo, day: tue}").replace(
    "#wrong", "#demo"
)
"""All its examples hold: that of rule b is of a Tuesday."""


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('{to: "#demo"}', '{to: "#the demo"}'),
        ('{to: "#demo"}', '{to: "#demo"'),
        ("Lisbon\n", "Lisbonn\n"),
        ("day: tue", "day: tuesdy, dya: mon"),
        ("rules:", "regulations:"),
        ("  - name: b\n", "  - stop\n  - name: b\n"),
        ('    when: {type: Demo, day: tue}\n    post: {to: "#demo"}', "   when: {}\n   post: {to: demo}"),
    ],
)
def test_doubtful_examples_are_not_told(good: str, bad: str) -> None:
    """Where a mistake may be why an example does not hold, only the mistake is told."""
    assert load(DOUBTFUL.encode(), can_look_up=True).warnings == ()
    assert good in DOUBTFUL
    with pytest.raises(RulesError) as caught:
        load(DOUBTFUL.replace(good, bad).encode())
    assert not [problem for problem in caught.value.problems if "example" in problem.path]
