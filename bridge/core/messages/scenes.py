"""What a message is made from and what it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.core import words
from bridge.core.bookings import (
    CANCELLED,
    CONFIRMED,
    DECLINED,
    EVENT_KINDS,
    PENDING,
    Booking,
    BookingType,
    Directory,
    Event,
    EventKind,
    Guest,
    Location,
)
from bridge.core.messages.escaping import cut_plain
from bridge.core.rules.rules import Look, Rules, Show
from bridge.core.text import fold

Json = dict[str, object]

_PHONE_KEY: Final = re.compile(r"phone|mobile|tel(ephone)?$", re.IGNORECASE)
_PHONE: Final = re.compile(r"\+?[\d\s()./-]{6,}")
_LONGEST_NAME: Final = 200
_MOST_DETAILS: Final = 20
_REQUESTED: Final = EventKind("created", "Requested", ":raised_hand:")
_FORMER: Final = EventKind("reassigned", "No longer yours", ":wave:")
_NOW_YOURS: Final = EventKind("reassigned", "Now yours", EVENT_KINDS["reassigned"].emoji)
_NO_LOOK: Final = Look()
_OVER: Final = {CANCELLED: EVENT_KINDS["cancelled"], DECLINED: EVENT_KINDS["declined"]}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything one message is made from.

    `booking` is the state to show (a card shows the present one, whatever the event), `previous` the
    state last told, None when nothing was told before. `type` is Copera's booking type if known.
    `host` is the host's id when this is a direct message to a host, `former` true when that host lost
    the booking by this event. `mentions` maps e-mail addresses (lower case) to Slack user ids. `note` is
    a remark such as "found while catching up", `link` the address of a page about the booking.
    """

    event: Event
    booking: Booking
    previous: Booking | None = None
    rule: str = ""
    type: BookingType | None = None
    directory: Directory = field(default_factory=Directory)
    former: bool = False
    host: str = ""
    mentions: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as Slack's chat.postMessage takes it, to be sent with `parse="none"`.

    `text` is complete by itself; `problem` is "" or why the chosen message could not be made, in which
    case this is the built-in default.
    """

    text: str
    blocks: list[Json]
    attachments: list[Json]
    problem: str = ""


def headline(scene: Scene) -> EventKind:
    """What happened, in the words of a headline: a booking that is over says so whatever came last."""
    if scene.former:
        return _FORMER
    event, status = scene.event, scene.booking.status
    if status in _OVER and event.name != "no_show":
        return _OVER[status]
    if event.name == "created" and status == PENDING:
        return _REQUESTED
    if event.name == "reassigned" and is_gained(scene):
        return _NOW_YOURS
    return event.kind


def is_gained(scene: Scene) -> bool:
    """Whether this is told to a host whose booking it was not before."""
    before = scene.previous.host_ids if scene.previous else ()
    return bool(before) and scene.host in scene.booking.host_ids and scene.host not in before


def over(scene: Scene) -> bool:
    """Whether the booking will not take place."""
    return headline(scene).name in {"cancelled", "declined"} or scene.booking.status in _OVER


def look(scene: Scene, rules: Rules) -> Look:
    """How `types` of the rules wants this booking to look: by its type's title, slug or id."""
    if not rules.types:
        return _NO_LOOK
    kind = scene.type or BookingType("")
    names = (scene.booking.type_title, scene.booking.type_id, kind.title, kind.slug, kind.id)
    return next((found for name in names if (found := rules.types.get(fold(name)))), _NO_LOOK)


def type_name(scene: Scene) -> str:
    """The booking type's title, "" when nobody told it."""
    return scene.booking.type_title or (scene.type.title if scene.type else "")


def booker_name(booking: Booking, show: Show) -> str:
    """The best text for the booker that may be shown, "" when there is none."""
    return booking.booker.name or (booking.booker.email if show.email else "")


def subject(scene: Scene, show: Show) -> str:
    """ "Intro Call with Alice Booker", from what is known."""
    what = cut_plain(type_name(scene), 80) or "a booking"
    who = cut_plain(booker_name(scene.booking, show), 60)
    return f"{what} with {who}" if who else what


def host_names(scene: Scene, booking: Booking) -> str:
    """The hosts' names in words, "" when there are none."""
    return words.listing([host_name(scene, host.id) for host in booking.hosts])


def host_name(scene: Scene, host_id: str) -> str:
    """The best text known for a host."""
    return cut_plain(scene.directory.name(host_id), _LONGEST_NAME)


def guest_name(guest: Guest, show: Show) -> str:
    """ "Bo (bo@example.com)", or what of it is known and may be shown."""
    email = guest.email if show.email else ""
    said = f"{guest.name} ({email})" if guest.name and email else guest.name or email
    return cut_plain(said, _LONGEST_NAME)


def guest_names(booking: Booking, show: Show) -> str:
    """The guests in words; those that may not be named are counted."""
    named = [said for guest in booking.guests if (said := guest_name(guest, show))]
    unnamed = len(booking.guests) - len(named)
    rest = [f"{unnamed} guest{'s'[: unnamed > 1]}"] if unnamed else []
    return words.listing([*named[:12], *([f"{len(named) - 12} more"] if len(named) > 12 else []), *rest], 14)


def place(booking: Booking, show: Show) -> Location:
    """The location without phone numbers and e-mail addresses that may not be shown."""
    known = booking.location.details[:_MOST_DETAILS]
    kept = tuple(pair for pair in known if not _private(*pair, show=show))
    kind = booking.location.type
    return Location("" if _private("", kind, show=show) else kind, kept)


def _private(key: str, value: str, *, show: Show) -> bool:
    if not show.phone and (_PHONE_KEY.search(key) or _PHONE.fullmatch(value)):
        return True
    return not show.email and "@" in value and not value.startswith(("http://", "https://"))


def status_words(scene: Scene) -> str:
    """The booking's status when the headline does not imply it, else ""."""
    said = words.status(scene.booking.status)
    implied = scene.booking.status == CONFIRMED or said == headline(scene).verb
    return "" if implied or scene.booking.status in _OVER else said
