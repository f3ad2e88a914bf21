"""A message of rules.yaml tried on every kind of event, so that `check` finds what would fail later."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.core.messages import fitting
from bridge.core.messages.block_rules import violations
from bridge.core.messages.composing import NOTE
from bridge.core.messages.custom_message import MessageFailure, Run, filled_blocks
from bridge.core.messages.escaping import plain_size, size
from bridge.core.messages.markup import web_address
from bridge.core.messages.printing import Face
from bridge.core.messages.samples import samples
from bridge.core.messages.scenes import Scene
from bridge.core.messages.templates import Message, Template
from bridge.core.rules.rules import Rules
from bridge.core.suggestions import quote
from bridge.core.yaml_file.nodes import join

Problem = tuple[str, str]
_LABEL = 200


class Trials:
    """Tries messages on the seven sample events; what several of them have in common is tried once."""

    def __init__(self, rules: Rules) -> None:
        self._runs = [_Remembering(scene, rules) for scene in samples()]

    def __call__(self, message: Message) -> list[Problem]:
        """What is wrong with the message on any of the events, each problem once.

        Pairs of path within the message ("fields.When", "blocks[2].text") and words.
        """
        found: dict[Problem, None] = {}
        for run in self._runs:
            checks = _own_blocks(message.blocks, run) if message.blocks is not None else _parts(message, run)
            found.update(dict.fromkeys(checks))
        return list(found)


def trial(message: Message, rules: Rules) -> list[Problem]:
    """What is wrong with one message, as `Trials` tells it."""
    return Trials(rules)(message)


class _Remembering(Run):
    """A scene that knows what each template says on it: the same one gives the same in every message."""

    def __init__(self, scene: Scene, rules: Rules) -> None:
        super().__init__(scene, rules)
        self._said: dict[tuple[str, Face], str | MessageFailure] = {}

    def fill(self, path: str, template: Template, face: Face) -> str:
        key = (template.source, face)
        said = self._said.get(key)
        if said is None:
            try:
                said = super().fill(path, template, face)
            except MessageFailure as failure:
                said = failure
            self._said[key] = said
        if isinstance(said, MessageFailure):
            raise MessageFailure(path, said.reason) from None
        return said


def _own_blocks(blocks: object, run: Run) -> Iterator[Problem]:
    try:
        yield from violations(filled_blocks(blocks, run))
    except MessageFailure as failure:
        yield failure.path, failure.reason
    yield from _blank(blocks, "blocks")


def _blank(value: object, path: str) -> Iterator[Problem]:
    """Texts that are empty on every event, not only on this one."""
    if isinstance(value, Template) and not value.source.strip():
        yield path, "expected text, got nothing"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _blank(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _blank(item, f"{path}[{number}]")


def _parts(message: Message, run: Run) -> Iterator[Problem]:
    yield from _within("title", message.title, run, fitting.HEADER, plain=True)
    yield from _within("body", message.body, run, fitting.SECTION)
    for label, template in message.fields:
        yield from _within(join("fields", label), template, run, fitting.FIELD - size(label) - 3)
        yield from _label(join("fields", label), label)
    yield from _within("footer", message.footer, run, NOTE)
    for label, template in message.links:
        yield from _address(join("links", label), template, run)
        yield from _label(join("links", label), label)


def _within(
    path: str, template: Template | None, run: Run, limit: int, *, plain: bool = False
) -> Iterator[Problem]:
    if template is None:
        return
    try:
        said = run.fill(path, template, "plain" if plain else "mrkdwn")
    except MessageFailure as failure:
        yield failure.path, failure.reason
        return
    count = plain_size(said) if plain else size(said)
    if count > limit:
        yield path, f"{count:,} characters, Slack takes {limit:,}"


def _label(path: str, label: str) -> Iterator[Problem]:
    if not label.strip() or size(label) > _LABEL:
        yield path, f"a label has 1 to {_LABEL} characters"


def _address(path: str, template: Template, run: Run) -> Iterator[Problem]:
    try:
        address = run.fill(path, template, "address")
    except MessageFailure as failure:
        yield failure.path, failure.reason
        return
    if address and not web_address(address):
        yield path, f"{quote(address)} is not an http or https address"
