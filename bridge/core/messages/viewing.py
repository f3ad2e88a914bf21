"""The views of a scene that templates see, without what `settings.show` hides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.core import words
from bridge.core.bookings import Booking
from bridge.core.messages import scenes
from bridge.core.messages.default_message import emoji
from bridge.core.messages.escaping import cut_plain
from bridge.core.messages.markup import ours
from bridge.core.messages.mentioning import host_markup
from bridge.core.messages.scenes import Scene
from bridge.core.messages.views import View
from bridge.core.rules.rules import Rules, Show
from bridge.core.text import fold

_LONGEST: Final = 3_100
"""Somewhat more than any place of a message takes, so that a value cut there is seen to be shortened."""
_MOST: Final = 100
"""More hosts, guests or answers than this are not in a template's reach: nobody reads that many."""


def roots(scene: Scene, rules: Rules) -> Mapping[str, object]:
    """The values of `views.ROOTS` for this scene; `previous` is None when it is not known."""
    kind = scenes.headline(scene)
    happened = {
        "name": scene.event.name,
        "verb": kind.verb,
        "emoji": ours(emoji(scene, rules)),
        "at": scene.event.at,
    }
    return {
        "event": View("event", kind.verb, happened),
        "booking": _booking(scene, scene.booking, rules.settings.show),
        "previous": _booking(scene, scene.previous, rules.settings.show) if scene.previous else None,
        "rule": View("rule", scene.rule, {"name": scene.rule}),
        "settings": _settings(rules),
    }


def _settings(rules: Rules) -> View:
    show = rules.settings.show
    flags = {"email": show.email, "phone": show.phone, "answers": show.answers}
    zone = words.zone_name(rules.settings.timezone)
    return View("settings", zone, {"timezone": zone, "show": View("show", "", flags)})


def _booking(scene: Scene, booking: Booking, show: Show) -> View:
    where = scenes.place(booking, show)
    values: dict[str, object] = {
        "id": booking.id,
        "uid": booking.uid,
        "status": booking.status,
        "type": booking.type_title or scenes.type_name(scene),
        "type_id": booking.type_id,
        "start": booking.start,
        "end": booking.end,
        "duration": booking.duration,
        "timezone": booking.timezone or booking.booker.timezone,
        "hosts": tuple(_host(scene, host.id, host.role) for host in booking.hosts[:_MOST]),
        "booker": _booker(booking, show),
        "guests": _guests(booking, show),
        "answers": _answers(booking, show),
        "location": View(
            "location", _cut(where.text), {"type": where.type, "text": _cut(where.text), "url": where.url}
        ),
    }
    about = scenes.subject(scene, show)
    return View("booking", about, values, source=booking)


def _booker(booking: Booking, show: Show) -> View:
    who = booking.booker
    values = {
        "name": who.name,
        "email": who.email if show.email else "",
        "phone": who.phone if show.phone else "",
        "timezone": who.timezone,
        "locale": who.locale,
    }
    return View("booker", scenes.booker_name(booking, show), values)


def _host(scene: Scene, host_id: str, role: str) -> View:
    person = scene.directory.person(host_id)
    name = scenes.host_name(scene, host_id)
    values = {"id": host_id, "name": name, "email": person.email, "role": role}
    return View("host", name, values, source=host_markup(scene, host_id))


def _guests(booking: Booking, show: Show) -> tuple[View, ...]:
    return tuple(
        View(
            "guest",
            scenes.guest_name(guest, show) or "a guest",
            {"name": guest.name, "email": guest.email if show.email else ""},
        )
        for guest in booking.guests[:_MOST]
    )


def _answers(booking: Booking, show: Show) -> View:
    """The answers by label and by question id, as typed and folded; the first of a label wins."""
    given = booking.answers[:_MOST] if show.answers else ()
    items = tuple(
        View(
            "answer",
            f"{answer.label}: {_cut(answer.text)}",
            {
                "id": answer.id,
                "label": answer.label,
                "text": _cut(answer.text),
                "values": answer.values[:_MOST],
            },
        )
        for answer in given
    )
    values: dict[str, object] = {}
    for item in items:
        for name in (str(item.values["label"]), str(item.values["id"])):
            values.setdefault(name, item.values["text"])
            values.setdefault(fold(name), item.values["text"])
    return View("answers", "\n".join(str(item.text) for item in items), values, items)


def _cut(text: str) -> str:
    return cut_plain(text, _LONGEST)
