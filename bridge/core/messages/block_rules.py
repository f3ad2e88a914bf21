"""What Slack takes as blocks (docs.slack.dev/reference/block-kit/blocks), to check an admin's own.

Only blocks that show something are taken: the bridge has no endpoint for clicks and choices, and a block
that mentions would get around `mention` of a post. A button is a link, so it needs its address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.messages import fitting
from bridge.core.messages.escaping import plain_size, size
from bridge.core.messages.markup import web_address
from bridge.core.suggestions import did_you_mean, listed, quote

Found = Iterator[tuple[str, str]]
Check = Callable[[str, object], Found]

ADDRESS: Final = 3_000
ALT_TEXT: Final = 2_000
BUTTON: Final = 75
ID: Final = 255


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of a block or element, which of them it needs, and a set of which it needs one."""

    keys: Mapping[str, Check]
    needed: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


def text(limit: int, *types: str) -> Check:
    """A text object of one of these types, of at most `limit` characters."""

    def check(path: str, value: object) -> Found:
        if not isinstance(value, dict) or value.get("type") not in types:
            example = f"{{type: {types[0]}, text: …}}"
            yield path, f"expected a text object of type {listed(types)}, such as {example}"
        elif not isinstance(said := value.get("text"), str):
            yield f"{path}.text", "expected text"
        else:
            count = (size if value["type"] == "mrkdwn" else plain_size)(said)
            if count > limit:
                yield f"{path}.text", f"{count:,} characters, Slack takes {limit:,}"
            yield from _unknown(path, value, ("type", "text", "emoji", "verbatim"))

    return check


def string(limit: int) -> Check:
    def check(path: str, value: object) -> Found:
        if not isinstance(value, str):
            yield path, "expected text"
        elif plain_size(value) > limit:
            yield path, f"{plain_size(value):,} characters, Slack takes {limit:,}"

    return check


def address(path: str, value: object) -> Found:
    """A web address; none at all is left off with what it belongs to, when the message is sent."""
    if value == "":
        return
    if not isinstance(value, str) or not web_address(value):
        yield path, "expected an http or https address"
    elif len(value) > ADDRESS:
        yield path, f"{len(value):,} characters, Slack takes {ADDRESS:,}"


def word(*allowed: object) -> Check:
    def check(path: str, value: object) -> Found:
        if value not in allowed:
            yield path, f"expected {listed(map(str, allowed))}"

    return check


def several(check: Check, most: int) -> Check:
    """A list of one to `most` items."""

    def check_all(path: str, value: object) -> Found:
        if not isinstance(value, list) or not value:
            yield path, "expected a list with something in it"
            return
        if len(value) > most:
            yield path, f"{len(value)} items, Slack takes {most}"
        for number, item in enumerate(value):
            yield from check(f"{path}[{number}]", item)

    return check_all


def kinds(shapes: Mapping[str, Shape], what: str) -> Check:
    """A mapping whose `type` says which of the shapes it has; `what` is its name with an article."""
    bare = what.split(" ", 1)[1]

    def check(path: str, value: object) -> Found:
        if not isinstance(value, dict) or not isinstance(name := value.get("type"), str):
            yield path, f"expected {what} with a 'type'"
        elif name not in shapes:
            hint = did_you_mean(name, shapes) or f"; there are {listed(shapes, 'and')}"
            yield f"{path}.type", f"{bare} {quote(name)} cannot be used in messages{hint}"
        else:
            yield from _shaped(path, value, shapes[name])

    return check


def _shaped(path: str, value: Mapping[str, object], shape: Shape) -> Found:
    yield from _unknown(path, value, ("type", *shape.keys))
    for key in shape.needed:
        if key not in value:
            yield path, f"needs {quote(key)}"
    if shape.one_of and not any(key in value for key in shape.one_of):
        yield path, f"needs {listed(map(quote, shape.one_of))}"
    for key, check in shape.keys.items():
        if key in value:
            yield from check(f"{path}.{key}", value[key])


def _unknown(path: str, value: Mapping[str, object], known: tuple[str, ...]) -> Found:
    for key in value:
        if key not in known:
            yield f"{path}.{key}", f"unknown key {quote(str(key))}{did_you_mean(str(key), known)}"


def _anything(path: str, value: object) -> Found:
    yield from ()


_TEXTS: Final = ("mrkdwn", "plain_text")
_FLAG: Final = word(True, False)
_STYLE: Final = {"style": _anything}
_IMAGE: Final = {"image_url": address, "alt_text": string(ALT_TEXT)}
_BUTTON: Final[Mapping[str, Check]] = {
    "text": text(BUTTON, "plain_text"),
    "url": address,
    "style": word("primary", "danger"),
    "value": string(2_000),
    "action_id": string(ID),
    "accessibility_label": string(BUTTON),
}
_ELEMENTS: Final = {
    "button": Shape(_BUTTON, ("text", "url")),
    "image": Shape(_IMAGE, ("image_url", "alt_text")),
}
_LEAVES: Final = {
    "text": Shape({"text": string(fitting.SECTION), **_STYLE}, ("text",)),
    "link": Shape({"url": address, "text": string(fitting.SECTION), "unsafe": _FLAG, **_STYLE}, ("url",)),
    "emoji": Shape({"name": string(ID), "unicode": string(ID), **_STYLE}, ("name",)),
    "date": Shape(
        {"timestamp": _anything, "format": string(ID), "url": address, "fallback": string(ID), **_STYLE},
        ("timestamp", "format"),
    ),
    "channel": Shape({"channel_id": string(ID), **_STYLE}, ("channel_id",)),
    "color": Shape({"value": string(ID)}, ("value",)),
}
_RUN: Final = several(kinds(_LEAVES, "a rich text element"), 500)
_INDENT: Final[Mapping[str, Check]] = {"border": _anything, "indent": _anything, "offset": _anything}
_SECTION: Final = Shape({"elements": _RUN}, ("elements",))
_RICH: Final = {
    "rich_text_section": _SECTION,
    "rich_text_preformatted": Shape({"elements": _RUN, **_INDENT}, ("elements",)),
    "rich_text_quote": Shape({"elements": _RUN, **_INDENT}, ("elements",)),
    "rich_text_list": Shape(
        {
            "style": word("bullet", "ordered"),
            "elements": several(kinds({"rich_text_section": _SECTION}, "a list item"), 500),
            **_INDENT,
        },
        ("style", "elements"),
    ),
}


def _context_element(path: str, value: object) -> Found:
    if isinstance(value, dict) and value.get("type") == "image":
        return _shaped(path, value, _ELEMENTS["image"])
    return text(fitting.SECTION, *_TEXTS)(path, value)


_ID: Final = {"block_id": string(ID)}
BLOCKS: Final[Mapping[str, Shape]] = {
    "header": Shape({"text": text(fitting.HEADER, "plain_text"), **_ID}, ("text",)),
    "section": Shape(
        {
            "text": text(fitting.SECTION, *_TEXTS),
            "fields": several(text(fitting.FIELD, *_TEXTS), fitting.FIELDS),
            "accessory": kinds(_ELEMENTS, "an element"),
            "expand": _FLAG,
            **_ID,
        },
        one_of=("text", "fields"),
    ),
    "context": Shape({"elements": several(_context_element, fitting.ELEMENTS), **_ID}, ("elements",)),
    "divider": Shape(_ID),
    "image": Shape({**_IMAGE, "title": text(ALT_TEXT, "plain_text"), **_ID}, ("image_url", "alt_text")),
    "actions": Shape(
        {"elements": several(kinds({"button": _ELEMENTS["button"]}, "an element"), 25), **_ID}, ("elements",)
    ),
    "rich_text": Shape({"elements": several(kinds(_RICH, "a rich text element"), 100), **_ID}, ("elements",)),
}


def _doubled_ids(path: str, blocks: object) -> Found:
    seen: set[str] = set()
    for number, block in enumerate(blocks if isinstance(blocks, list) else []):
        name = block.get("block_id") if isinstance(block, dict) else None
        if isinstance(name, str) and name in seen:
            yield f"{path}[{number}].block_id", f"another block of this message has the id {quote(name)}"
        seen.add(str(name or ""))


def violations(blocks: object, path: str = "blocks") -> list[tuple[str, str]]:
    """All that Slack would refuse, and what the bridge does not send, as pairs of path and words."""
    found = list(several(kinds(BLOCKS, "a block"), fitting.BLOCKS)(path, blocks))
    found += _doubled_ids(path, blocks)
    if isinstance(blocks, list) and (weight := fitting.weight(blocks)) > fitting.ROOM:
        found.append((path, f"{weight:,} characters together, keep to {fitting.ROOM:,}"))
    return found
