"""Bookings as Slack messages: the cards and posts, their thread replies, and the bridge's own alerts.

Everything that comes from outside is escaped on the way in (`core.messages.markup`), every mrkdwn object is
verbatim, and every result keeps Slack's limits. Nothing here raises for anything in an event.
"""

from __future__ import annotations

from dataclasses import replace

from bridge.core.messages import fitting, scenes
from bridge.core.messages.composing import compose
from bridge.core.messages.custom_message import MessageFailure, custom
from bridge.core.messages.default_message import default_parts
from bridge.core.messages.escaping import cut, inline
from bridge.core.messages.fitting import plain, section
from bridge.core.messages.mentioning import mention_markup
from bridge.core.messages.replies import reply
from bridge.core.messages.scenes import Rendered, Scene
from bridge.core.messages.templates import Message
from bridge.core.messages.trials import Trials, trial
from bridge.core.rules.rules import DEFAULT_MESSAGE, Rules

__all__ = ["Rendered", "Scene", "Trials", "render", "render_alert", "render_plain", "render_reply", "trial"]


def render(scene: Scene, rules: Rules, *, message: str | None = None, mention: str = "none") -> Rendered:
    """The message for this scene: the named one, else the booking type's, else the default.

    A message that fails falls back to the built-in default and says so in `problem`.
    """
    called = mention_markup(scene, mention)
    own, problem = chosen(scene, rules, message), ""
    if own is not None:
        try:
            return custom(scene, rules, own, called)
        except MessageFailure as failure:
            problem = f"messages.{own.name}.{failure}"
    rendered = compose(default_parts(scene, rules, called))
    return replace(rendered, problem=problem) if problem else rendered


def chosen(scene: Scene, rules: Rules, message: str | None) -> Message | None:
    """The message to use, None for the built-in default."""
    names = (message, scenes.look(scene, rules).message, DEFAULT_MESSAGE)
    name = next(n for n in names if n and (n in rules.messages or n == DEFAULT_MESSAGE))
    return rules.messages.get(name)


def render_reply(scene: Scene, rules: Rules, *, mention: str = "none") -> Rendered:
    """The thread reply that says what the event changed."""
    return reply(scene, rules, mention_markup(scene, mention))


def render_plain(rendered: Rendered) -> Rendered:
    """The same message as text only, for when Slack refuses the blocks."""
    return Rendered(rendered.text, [], [], rendered.problem)


def render_alert(title: str, lines: tuple[str, ...] | list[str]) -> Rendered:
    """A message about the bridge's own trouble; the lines are shown as they are."""
    said = "\n".join(line for line in lines if line)
    blocks = [fitting.header(f":warning: {title}")]
    blocks += [section(plain(said, fitting.SECTION))] if said else []
    spoken = inline(said.replace("`", "'"))  # a notification shows no code
    return Rendered(cut(f":warning: {inline(title)}\n{spoken}".strip(), fitting.TEXT), blocks, [])
