"""Messages that rules.yaml defines, run on a scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bridge.core.messages import block_templates, fitting
from bridge.core.messages.block_rules import violations
from bridge.core.messages.composing import NOTE, ROOM_FOR_POINTER, Line, Parts, compose, pointer, spoken
from bridge.core.messages.default_message import colour, default_parts, remarks
from bridge.core.messages.markup import NOTHING, Markup, link, ours
from bridge.core.messages.printing import Face
from bridge.core.messages.scenes import Json, Rendered, Scene
from bridge.core.messages.templates import Message, Template, TemplateFailure
from bridge.core.messages.viewing import roots
from bridge.core.rules.rules import Rules


class MessageFailure(Exception):
    """A message could not be made for a scene; `path` is the part of it, `reason` why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Run:
    """One message's templates on one scene."""

    def __init__(self, scene: Scene, rules: Rules) -> None:
        self._roots: Mapping[str, object] = roots(scene, rules)
        self._zone = rules.settings.timezone

    def fill(self, path: str, template: Template, face: Face) -> str:
        """What the template says in this face. Raises MessageFailure."""
        try:
            return template.render(self._roots, face, self._zone)
        except TemplateFailure as failure:
            raise MessageFailure(path, str(failure)) from None

    def faces(self, path: str, template: Template | None) -> Markup:
        if template is None:
            return NOTHING
        seen = self.fill(path, template, "mrkdwn")
        return Markup(seen, self.fill(path, template, "text")) if seen else NOTHING


def custom(scene: Scene, rules: Rules, message: Message, mention: Markup) -> Rendered:
    """The message for this scene. Raises MessageFailure."""
    run = Run(scene, rules)
    if message.blocks is not None:
        return _blocks(scene, rules, message.blocks, run, mention)
    parts = _parts(scene, rules, message, run, mention)
    said = [line.value for line in (*parts.lead, *parts.lines)]
    if not (parts.title or any([*said, *parts.links, *parts.notes])):
        raise MessageFailure("title", "the message is empty")
    return compose(parts)


def _parts(scene: Scene, rules: Rules, message: Message, run: Run, mention: Markup) -> Parts:
    title = message.title
    footer = run.faces("footer", message.footer)
    return Parts(
        header=run.fill("title", title, "plain") if title else "",
        title=run.fill("title", title, "text") if title else "",
        lead=(Line("", run.faces("body", message.body)),),
        lines=tuple(Line(label, run.faces(f"fields.{label}", value)) for label, value in message.fields),
        links=tuple(
            link(address, ours(label))
            for label, template in message.links
            if (address := run.fill(f"links.{label}", template, "address"))
        ),
        notes=(*([footer] if footer else ()), *remarks(scene)),
        mention=mention,
        colour=colour(scene),
        event_id=scene.event.id,
    )


def filled_blocks(blocks: object, run: Run) -> list[Json]:
    """The message's own blocks with the templates run, before anything is checked. Raises MessageFailure."""
    try:
        made = block_templates.filled(blocks, run.fill)
    except block_templates.TooDeep:
        raise MessageFailure("blocks", "too many blocks within blocks") from None
    if not isinstance(made, list) or not all(isinstance(block, dict) for block in made):
        raise MessageFailure("blocks", "expected a list of blocks")
    return cast("list[Json]", made)


def _blocks(scene: Scene, rules: Rules, source: object, run: Run, mention: Markup) -> Rendered:
    blocks = block_templates.pruned(filled_blocks(source, run))
    block_templates.shorten(blocks)
    said = [text for text in block_templates.spoken(source, run.fill) if text]
    if mention:
        call = fitting.section(fitting.mrkdwn(f"For {mention.mrkdwn}", NOTE))
        blocks.insert(1 if blocks and blocks[0].get("type") == "header" else 0, call)
    notes = [fitting.context(fitting.mrkdwn(note.mrkdwn, NOTE)) for note in remarks(scene)]
    most, room = fitting.BLOCKS - len(notes) - 1, fitting.ROOM - fitting.weight(notes) - ROOM_FOR_POINTER
    if len(blocks) > most + 1 or fitting.weight(blocks) > room:
        fitting.fit(blocks, most, room)
        notes.append(fitting.context(fitting.mrkdwn(pointer(scene.event.id), NOTE)))
    blocks += notes
    if found := violations(blocks):
        raise MessageFailure(*found[0])
    title = "\n".join(said) or default_parts(scene, rules).title
    text = spoken(Parts(title=title, notes=remarks(scene), mention=mention, event_id=scene.event.id))
    return Rendered(text, blocks, [])
