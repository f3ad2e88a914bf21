"""Rules files that want to harm: by name their text, and words of the problem to be told ("": any)."""

from __future__ import annotations

from typing import Final

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 11)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 99))


def messages(n: int) -> str:
    """A file with so many messages, each with a template of its own and one that all have."""
    made = "".join(
        f'  m{number}: {{title: "{{{{ event.verb }}}} {number}", body: "{{{{ booking | when }}}}"}}\n'
        for number in range(n)
    )
    return f"version: 1\nrules: [{{name: a, post: {{to: a}}}}]\nmessages:\n{made}"


FILES: Final = {
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
    "messages": (messages(5_000), "more than 2,000 different texts and {{ … }}"),
    "values in a message": (
        "version: 1\nrules: []\nmessages: {m: {body: '" + "{{ a }}" * 100_000 + "'}}\n",
        "more than 2,000 different texts and {{ … }}",
    ),
    "curly": ("“: " * 200_000, ""),
}
