"""What templates see of bookings: values that hold documented names and nothing else.

Templates never touch a Python object of the bridge. `SHAPES` says which names exist, and templates are
checked against it before they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.core.messages.markup import Markup
from bridge.core.text import fold

ROOTS: Final[Mapping[str, str]] = {
    "event": "event",
    "booking": "booking",
    "previous": "booking",
    "rule": "rule",
    "settings": "settings",
}
"""The names a template starts from, and the kind of each."""

SHAPES: Final[Mapping[str, Mapping[str, str]]] = {
    "event": {"name": "text", "verb": "text", "emoji": "text", "at": "time"},
    "booking": {
        "id": "text",
        "uid": "text",
        "status": "text",
        "type": "text",
        "type_id": "text",
        "start": "time",
        "end": "time",
        "duration": "number",
        "timezone": "text",
        "hosts": "hosts",
        "booker": "booker",
        "guests": "guests",
        "answers": "answers",
        "location": "location",
    },
    "booker": {"name": "text", "email": "text", "phone": "text", "timezone": "text", "locale": "text"},
    "host": {"id": "text", "name": "text", "email": "text", "role": "text"},
    "guest": {"name": "text", "email": "text"},
    "answer": {"id": "text", "label": "text", "text": "text", "values": "texts"},
    "location": {"type": "text", "text": "text", "url": "text"},
    "rule": {"name": "text"},
    "settings": {"timezone": "text", "show": "show"},
    "show": {"email": "flag", "phone": "flag", "answers": "flag"},
    "loop": {"index": "number", "index0": "number", "first": "flag", "last": "flag", "length": "number"},
}
"""By kind, the names a value has and the kind of each; "answers" has whatever labels a form has."""

ITEMS: Final[Mapping[str, str]] = {"hosts": "host", "guests": "guest", "answers": "answer", "texts": "text"}
"""By kind of list, the kind of its items."""

SCALARS: Final = frozenset({"text", "number", "time", "flag"})


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One value of `SHAPES`: `text` is how it prints, `values` its names, `items` what a loop walks.

    `source` is for filters only: the Booking of a booking, the mention of a host.
    """

    kind: str
    text: str | Markup
    values: Mapping[str, object]
    items: tuple[View, ...] = ()
    source: object = field(default=None)

    def look(self, name: object) -> object:
        """The value of this name; an answer that was not given is None. Raises KeyError."""
        if self.kind != "answers" or not isinstance(name, str):
            return self.values[str(name)]
        return self.values.get(name) or self.values.get(fold(name))

    def __bool__(self) -> bool:
        return bool(self.text or self.items)

    def __eq__(self, other: object) -> bool:
        return self.text == (other.text if isinstance(other, View) else other)

    def __hash__(self) -> int:
        return hash(self.text)

    def __contains__(self, name: object) -> bool:
        """`'Topic' in booking.answers`."""
        return isinstance(name, str) and (name in self.values or fold(name) in self.values)
