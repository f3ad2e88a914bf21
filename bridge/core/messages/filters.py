"""The filters of message templates. Each takes what stands before `|` and answers with text or Markup.

Nothing here can make much out of little: every text is bounded by `LONGEST`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from jinja2 import Undefined

from bridge.core import words
from bridge.core.bookings import CANCELLED, DECLINED, Booking
from bridge.core.messages import markup
from bridge.core.messages.escaping import ELLIPSIS, escape
from bridge.core.messages.markup import NOTHING, Markup
from bridge.core.messages.printing import (
    LONGEST,
    Misuse,
    Own,
    Work,
    bounded,
    concat,
    each,
    faces,
    in_a_row,
    items,
    look,
    said_of,
)
from bridge.core.messages.views import View

_DATE_FORM: Final = re.compile(
    r"(?:\{(?:date(?:_num|(?:_short|_long)?(?:_pretty)?)|time(?:_secs)?|ago)\}|[^{}<>|^&\n]){1,100}"
)
_DATE_PART: Final = re.compile(r"\{(\w+)\}")


def _text(work: Work, value: object) -> str:
    said = said_of(work, value)
    if isinstance(said, Markup):
        raise Misuse("this filter changes text, not links, mentions and dates: put it before their filter")
    return bounded(str(said))


def upper(work: Work, value: object) -> str:
    return _text(work, value).upper()


def lower(work: Work, value: object) -> str:
    return _text(work, value).lower()


def title(work: Work, value: object) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in _text(work, value).split(" "))


def capitalize(work: Work, value: object) -> str:
    return _text(work, value).capitalize()


def trim(work: Work, value: object) -> str:
    return _text(work, value).strip()


def default(work: Work, value: object, other: object = "", boolean: bool = True) -> object:
    """`other` in place of a value that is missing or empty."""
    return other if isinstance(value, Undefined) or not value else value


def join(work: Work, value: object, separator: object = ", ", attribute: str = "") -> str | Markup:
    """The items of a list in a row, or of each item the value of this name."""
    found = items(value)
    if attribute:
        found = tuple(look(item, attribute) for item in found)
    return in_a_row(work, found, separator)


def length(work: Work, value: object) -> int:
    return len(value) if isinstance(value, str) else len(items(value))


def first(work: Work, value: object) -> object:
    return next(iter(items(value)), None)


def last(work: Work, value: object) -> object:
    return next(reversed(items(value)), None)


def truncate(work: Work, value: object, length: int = 255) -> str:
    text = _text(work, value)
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + ELLIPSIS


def replace(work: Work, value: object, old: str, new: str) -> str:
    text, old, new = _text(work, value), _text(work, old), _text(work, new)
    if len(text) + text.count(old) * len(new) > LONGEST:
        raise Misuse(f"a text gets longer than {LONGEST} characters")
    return text.replace(old, new) if old else text


def own(_: Work, value: str) -> Own:
    return Own(value)


def when(work: Work, value: object) -> Markup:
    """A booking's time with its length and the booker's own time, or one moment."""
    if isinstance(value, View) and isinstance(value.source, Booking):
        return markup.when(value.source, work.zone, off=value.source.status in {CANCELLED, DECLINED})
    if isinstance(value, datetime):
        return markup.instant(value, work.zone)
    if not value:
        return NOTHING
    raise Misuse("when needs a booking or a time: booking | when, booking.start | when")


def date(work: Work, value: object, form: str = "{date_long_pretty}") -> Markup:
    """A moment in a form of Slack's date tokens, each reader seeing their own zone."""
    if isinstance(value, View) and isinstance(value.source, Booking):
        value = value.source.start
    if not value:
        return NOTHING
    if not isinstance(value, datetime):
        raise Misuse("date needs a time: booking.start | date")
    if not (_DATE_FORM.fullmatch(form) and _DATE_PART.search(form)):
        raise Misuse("date takes Slack's tokens: {date}, {date_num}, {date_short}, {date_long}, {time}, …")
    local = value.astimezone(work.zone)
    said = _DATE_PART.sub(lambda part: _date_part(part[1], local), form)
    said += f" ({words.zone_name(work.zone)})" if "{time" in form else ""
    return Markup(markup.date_token(value, form, said), escape(said))


def _date_part(name: str, local: datetime) -> str:
    if name.startswith("time"):
        return words.clock(local) + (f":{local.second:02}" if name == "time_secs" else "")
    return words.day(local)


def mention(work: Work, value: object) -> Markup:
    """Hosts as mentions, those not known to Slack by name."""
    if isinstance(value, View) and value.kind == "booking":
        value = value.values["hosts"]
    if isinstance(value, View) and isinstance(value.source, Markup):
        return value.source
    if not value:
        return NOTHING
    if not isinstance(value, tuple | list):
        raise Misuse("mention needs hosts: booking.hosts | mention")
    return markup.join([mention(work, item) for item in value], ", ")


def link(work: Work, value: object, label: object = "") -> Markup:
    """A link to an http or https address; anything else is shown as text."""
    address = said.plain if isinstance(said := said_of(work, value), Markup) else said
    return markup.link(address, faces(work, label)) if address else NOTHING


def mail(work: Work, value: object) -> Markup:
    """A mailto link to an address, or to somebody who has one."""
    if isinstance(value, View):
        value = value.values.get("email", value.text)
    return markup.mail(_text(work, value))


def duration(work: Work, value: object) -> str:
    """Minutes in words: "1 h 30 min"."""
    if isinstance(value, View) and isinstance(value.source, Booking):
        value = value.source.duration
    if isinstance(value, timedelta):
        value = value / timedelta(minutes=1)
    if not value:
        return ""
    if not isinstance(value, int | float):
        raise Misuse("duration needs minutes: booking.duration | duration")
    return words.duration(round(value))


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    filter_.__name__: filter_
    for filter_ in (
        *(upper, lower, title, capitalize, trim, default, join, length, first, last, truncate, replace),
        *(when, date, mention, link, mail, duration),
    )
}
"""By name; the first argument is the `Work`, the second the value."""

HIDDEN: Final[Mapping[str, Callable[..., object]]] = {" concat": concat, " each": each, " own": own}
"""What `core.messages.template_grammar` puts into templates; no template can spell these names."""
