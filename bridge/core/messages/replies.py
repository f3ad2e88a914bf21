"""The short reply in a card's thread: what changed, in words."""

from __future__ import annotations

from bridge.core import words
from bridge.core.changes import changes
from bridge.core.messages import fitting, scenes
from bridge.core.messages.default_message import place
from bridge.core.messages.escaping import cut, escape, inline
from bridge.core.messages.fitting import mrkdwn, section
from bridge.core.messages.markup import NOTHING, Markup, join, ours, period, struck, typed
from bridge.core.messages.scenes import Rendered, Scene
from bridge.core.rules.rules import Rules, Show


def reply(scene: Scene, rules: Rules, mention: Markup) -> Rendered:
    """What the event changed; nothing is said of a former state that is not known."""
    kind = scenes.headline(scene)
    about = inline(scenes.subject(scene, rules.settings.show))
    lines = [line for line in _lines(scene, rules) if line]
    if mention:
        lines.append(join([ours("For "), mention]))
    if scene.note:
        lines.append(typed(scene.note))
    seen = "\n".join([f"{kind.emoji} *{escape(kind.verb)}*: {about}", *(line.mrkdwn for line in lines)])
    said = "\n".join([f"{kind.emoji} {escape(kind.verb)}: {about}", *(line.text for line in lines)])
    return Rendered(cut(said, fitting.TEXT), [section(mrkdwn(seen, fitting.SECTION))], [])


def _lines(scene: Scene, rules: Rules) -> list[Markup]:
    found = changes(scene.previous, scene.booking)
    lines: list[Markup] = []
    if "time" in found or scene.event.name == "rescheduled":
        lines += _time(scene, rules)
    if "hosts" in found or scene.event.name == "reassigned":
        lines.append(_hosts(scene))
    if "place" in found:
        lines.append(_place(scene, rules.settings.show))
    if "guests" in found:
        lines.append(join([ours("Guests: "), scenes.guest_names(scene.booking, rules.settings.show)]))
    if scene.previous and "status" in found and (now := _status(scene)):
        lines.append(join([ours("Status: "), now, ours(", was "), words.status(scene.previous.status)]))
    if scene.event.name == "no_show":
        lines.append(ours("A no-show was recorded."))
    return lines


def _status(scene: Scene) -> str:
    """The new status, "" when the headline says it."""
    now = words.status(scene.booking.status)
    return "" if now == scenes.headline(scene).verb or scenes.over(scene) else now


def _time(scene: Scene, rules: Rules) -> list[Markup]:
    zone = rules.settings.timezone
    now = period(scene.booking, zone)
    new = now if not scenes.over(scene) else struck(now)
    if scene.previous is None or "time" not in changes(scene.previous, scene.booking):
        return [join([ours("Now "), new])]
    return [join([ours("Was "), struck(period(scene.previous, zone))]), join([ours("Now "), new])]


def _hosts(scene: Scene) -> Markup:
    now = scenes.host_names(scene, scene.booking)
    previous = scene.previous if "hosts" in changes(scene.previous, scene.booking) else None
    was = scenes.host_names(scene, previous) if previous else ""
    if scene.former:
        return _sentence("It is no longer yours", "; it is now with ", now)
    if scenes.is_gained(scene):
        return _sentence("It is now yours", "; it was with ", was)
    return join([ours("Now with "), now, _sentence("", "; was with ", was)]) if now else NOTHING


def _sentence(start: str, more: str, name: str) -> Markup:
    return join([ours(start), *([ours(more), typed(name)] if name else []), ours(".")])


def _place(scene: Scene, show: Show) -> Markup:
    new = place(scene.booking, show)
    old = place(scene.previous, show) if scene.previous else new
    return join([ours("Where: "), new, ours(", was "), old]) if new and old and new != old else NOTHING
