"""How values print in a template: escaped unless they are Markup, in one of three faces, and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final, Literal

from jinja2 import Undefined
from jinja2.runtime import LoopContext

from bridge.core import words
from bridge.core.messages import markup
from bridge.core.messages.addresses import piece
from bridge.core.messages.escaping import break_emoji, disarm, escape, unescape
from bridge.core.messages.markup import Markup
from bridge.core.messages.views import SHAPES, View
from bridge.core.suggestions import quote

Face = Literal["mrkdwn", "text", "plain", "raw", "address"]
"""For the eye; in words; for a plain_text object; as it is, for names of things; for a web address."""

LONGEST: Final = 20_000
STEPS: Final = 2_000

_OWN: Final = re.compile(
    r"<((?:https?://|mailto:|tel:)[^\s<>|]+|#C[A-Z0-9]+)(?:\|([^<>|]*))?>|&(?:amp|lt|gt);|[&<>]"
)


class Misuse(Exception):
    """A template asked for something that a value cannot give; the message says what."""


class Own(str):
    """The admin's own text within a template: escaped, but its marks, emoji codes and links work."""

    __slots__ = ()


@dataclass(slots=True)
class Work:
    """One run of a template: which face is wanted, the zone for words, and how much it may still do."""

    face: Face
    zone: tzinfo
    steps: int = STEPS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise Misuse(f"the template takes more than {STEPS} steps")


def shown(work: Work, value: object) -> str:
    """The value in the face that is wanted; somebody's text becomes harmless. Raises Misuse."""
    work.spend(1)
    if isinstance(value, Own):
        return own(value, work.face)
    said = said_of(work, value)
    if work.face == "address":
        return piece(said.plain if isinstance(said, Markup) else said)
    if isinstance(said, Markup):
        return {"mrkdwn": said.mrkdwn, "text": said.text}.get(work.face) or said.plain
    if work.face == "raw":
        return said
    return disarm(break_emoji(said)) if work.face == "plain" else markup.typed(said).mrkdwn


@lru_cache(maxsize=1024)
def own(text: str, face: Face) -> str:
    """The admin's text in this face: complete links are links, every other `<` is only a character."""
    if face in {"plain", "raw", "address"}:
        return _OWN.sub(lambda found: found[2] or found[1] or unescape(found[0]), text)
    return _OWN.sub(lambda found: _own_part(found, face), text)


def _own_part(found: re.Match[str], face: Face) -> str:
    if not found[1]:
        return found[0] if len(found[0]) > 1 else escape(found[0])
    if face == "mrkdwn":
        return found[0]
    return f"{found[2]} ({found[1]})" if found[2] else found[1]


def said_of(work: Work, value: object) -> str | Markup:
    """A value as text or Markup: a list is its items, a time is said in the zone of the settings."""
    if isinstance(value, str | Markup):
        return value
    if value is None:
        return ""
    if isinstance(value, View):
        return value.text
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else f"{value:.15g}"
    if isinstance(value, datetime):
        return words.moment(value, work.zone)
    if isinstance(value, tuple | list):
        return in_a_row(work, value)
    raise _unusable(value)


def _unusable(value: object) -> Misuse:
    if isinstance(value, Undefined):
        return Misuse(f"{value._undefined_name or 'a value'} is not known here")
    return Misuse("this value cannot be shown")


def faces(work: Work, value: object) -> Markup:
    """A value as Markup."""
    if isinstance(value, Own):
        return Markup(own(value, "mrkdwn"), own(value, "text"))
    return markup.both(said_of(work, value))


def concat(work: Work, values: Sequence[object]) -> str | Markup:
    """What `a ~ b` gives: text of texts, else Markup; in an address, text whose values are marked."""
    if work.face == "address":
        return Own(bounded("".join(v if isinstance(v, Own) else shown(work, v) for v in values)))
    said = [value if isinstance(value, Own) else said_of(work, value) for value in values]
    if not any(isinstance(value, Own | Markup) for value in said):
        return bounded("".join(map(str, said)))
    whole = markup.join([faces(work, value) for value in said])
    bounded(whole.mrkdwn)
    return whole


def each(work: Work, value: object) -> tuple[object, ...]:
    """What a loop walks; its length is spent before the first round."""
    found = items(value)
    work.spend(len(found))
    return found


def look(value: object, name: object) -> object:
    """The value of this name or position; what is not there is None. Raises Misuse.

    This is the only way from a value to another in a template.
    """
    if value is None:
        return None
    if isinstance(value, View):
        return _look_in_view(value, name)
    if isinstance(value, dict) and isinstance(name, str | int):
        return value.get(name)
    if isinstance(value, tuple | list) and isinstance(name, int):
        return value[name] if -len(value) <= name < len(value) else None
    if isinstance(value, LoopContext) and name in SHAPES["loop"]:
        return getattr(value, str(name))
    raise Misuse(f"{quote(str(name))} is not known here")


def _look_in_view(view: View, name: object) -> object:
    try:
        return view.look(name)
    except KeyError:
        raise Misuse(f"{view.kind} has no {quote(str(name))}") from None


def items(value: object) -> tuple[object, ...]:
    if value is None:
        return ()
    if isinstance(value, View) and value.kind == "answers":
        return value.items
    if isinstance(value, tuple | list | dict):
        return tuple(value)
    raise Misuse("a list is needed here")


def in_a_row(work: Work, values: Iterable[object], separator: object = ", ") -> str | Markup:
    """The values with a separator between them; a list among them would be a list too many."""
    pieces: list[object] = []
    for value in values:
        if isinstance(value, tuple | list | dict):
            raise Misuse("a list within a list cannot be shown")
        pieces += [separator, value] if pieces else [value]
    return concat(work, pieces)


def bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise Misuse(f"a text gets longer than {LONGEST} characters")
    return text
