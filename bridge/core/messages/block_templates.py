"""An admin's own blocks: their templates filled in, and what came out empty left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bridge.core.messages import block_rules, fitting
from bridge.core.messages.escaping import cut, cut_plain
from bridge.core.messages.markup import web_address
from bridge.core.messages.printing import Face
from bridge.core.messages.scenes import Json
from bridge.core.messages.templates import Template

Fill = Callable[[str, Template, Face], str]
"""Runs a template that stands at a path, for a face."""

_NAMES: Final = ("type", "block_id", "action_id", "style", "name", "value", "channel_id", "format")
_FACES: Final[Mapping[str, Face]] = {
    **dict.fromkeys(_NAMES, "raw"),
    **dict.fromkeys(("url", "image_url"), "address"),
}
"""Keys whose values are not read but used; every other text is for people."""
_SPOKEN: Final = frozenset({"text", "alt_text"})
_FIRST: Final = ("text", "title", "fields", "elements", "accessory", "alt_text")
_ADDRESSES: Final = {"button": "url", "link": "url", "image": "image_url"}
"""What needs an address, and where it stands."""
_DEEPEST: Final = 12
_NAMELESS: Final = "no description"
"""For people who hear an image or a button of which nothing is said on this booking."""


class TooDeep(Exception):
    """Blocks within blocks beyond anything Slack has."""


def filled(value: object, fill: Fill, path: str = "blocks", face: Face = "plain", depth: int = 0) -> object:
    """The blocks with every template run: mrkdwn as such, addresses fit for Slack, the rest plain.

    Raises TooDeep, and what `fill` raises.
    """
    if depth > _DEEPEST:
        raise TooDeep
    if isinstance(value, Template):
        return fill(path, value, face)
    if isinstance(value, list | tuple):
        return [filled(item, fill, f"{path}[{n}]", face, depth + 1) for n, item in enumerate(value)]
    if isinstance(value, Mapping):
        return _filled_mapping(value, fill, path, depth)
    return value


def _filled_mapping(value: Mapping[object, object], fill: Fill, path: str, depth: int) -> Json:
    kind = value.get("type")
    is_mrkdwn = (isinstance(kind, Template) and kind.source.strip() == "mrkdwn") or kind == "mrkdwn"
    made: Json = {}
    for key, item in value.items():
        name = str(key)
        face: Face = _FACES.get(name) or ("mrkdwn" if is_mrkdwn else "plain")
        made[name] = said = filled(item, fill, f"{path}.{name}", face, depth + 1)
        if face == "address" and isinstance(said, str):
            made[name] = web_address(said) or said
    return {**made, "verbatim": True} if is_mrkdwn else made


def spoken(value: object, fill: Fill, path: str = "blocks") -> Iterator[str]:
    """What the blocks say, in words and in reading order."""
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from spoken(item, fill, f"{path}[{number}]")
    elif isinstance(value, Mapping):
        for key in sorted(value, key=lambda k: _FIRST.index(k) if k in _FIRST else len(_FIRST)):
            item = value[key]
            if isinstance(item, Template):
                yield from [fill(f"{path}.{key}", item, "text")] if key in _SPOKEN else []
            else:
                yield from spoken(item, fill, f"{path}.{key}")


def pruned(blocks: list[Json]) -> list[Json]:
    """The blocks without texts that came out empty, which Slack refuses, and what only held those."""
    return [block for block in map(_pruned, blocks) if block is not None]


def _pruned(block: Json) -> Json | None:
    left = dict(block)
    for key in ("text", "title", "accessory"):
        if key in left and _is_empty(left[key]):
            del left[key]
    for key in ("fields", "elements"):
        items = left.get(key)
        if isinstance(items, list):
            left[key] = kept = [found for item in items if (found := _pruned_item(item)) is not None]
            if not kept:
                del left[key]
    holders = {"text", "fields", "elements"} & block.keys()
    return left if not _is_empty(left) and (not holders or holders & left.keys()) else None


def _pruned_item(item: object) -> object | None:
    """A text object, a leaf of rich text, or something that holds such."""
    if _is_empty(item):
        return None
    return _pruned(item) if isinstance(item, dict) and "elements" in item else item


def _is_empty(value: object) -> bool:
    """Nothing to read, a button without words, and what needs an address and has none on this booking."""
    if not isinstance(value, dict):
        return isinstance(value, str) and not value.strip()
    if (key := _ADDRESSES.get(str(value.get("type")))) and _is_empty(value.get(key)):
        return True
    if value.get("type") == "button":
        return _is_empty(value.get("text"))
    return isinstance(value.get("text"), str) and not str(value["text"]).strip()


_LIMITS: Final = {
    "header": fitting.HEADER,
    "button": block_rules.BUTTON,
    "image": block_rules.ALT_TEXT,
}
"""Characters of a text in what has this type; elsewhere as many as in a section."""
_PLAIN: Final = {"alt_text": block_rules.ALT_TEXT, "accessibility_label": block_rules.BUTTON}
"""Texts that are no text objects."""


def shorten(value: object, limit: int = fitting.SECTION) -> None:
    """Cut every text to what its place takes, in place."""
    if isinstance(value, list):
        for item in value:
            shorten(item, limit)
    if not isinstance(value, dict):
        return
    kind, text = value.get("type"), value.get("text")
    if isinstance(text, str):
        room = limit if kind in {"mrkdwn", "plain_text"} else fitting.SECTION
        value["text"] = (cut if kind == "mrkdwn" else cut_plain)(text, room)
    for key, most in _PLAIN.items():
        if isinstance(said := value.get(key), str):
            value[key] = cut_plain(said, most) if said.strip() else _NAMELESS
    for key, item in value.items():
        shorten(item, fitting.FIELD if key == "fields" else _LIMITS.get(str(kind), fitting.SECTION))
