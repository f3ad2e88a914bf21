"""The built-in message: what happened, with whom, when, where, and what the booker answered."""

from __future__ import annotations

from typing import Final

from bridge.core.bookings import Booking
from bridge.core.changes import changes
from bridge.core.messages import fitting, scenes
from bridge.core.messages.composing import Line, Parts
from bridge.core.messages.escaping import break_emoji, inline
from bridge.core.messages.markup import NOTHING, Markup, join, link, mail, ours, period, struck, typed, when
from bridge.core.messages.scenes import Scene
from bridge.core.messages.tints import BAD, tint
from bridge.core.rules.rules import Rules, Show

_LONGEST: Final = fitting.TEXT + 1
"""One character more than fits, so that it is seen to be shortened."""


def default_parts(scene: Scene, rules: Rules, mention: Markup = NOTHING) -> Parts:
    """The parts of the built-in message for this scene."""
    show = rules.settings.show
    about = scenes.subject(scene, show)
    says = f"{emoji(scene, rules)} {scenes.headline(scene).verb}: "
    return Parts(
        header=says + break_emoji(about),
        title=says + inline(about),
        lead=(Line("When", _when(scene, rules)),),
        lines=(
            Line("Booked by", booker(scene.booking, show)),
            Line("Host" if len(scene.booking.hosts) < 2 else "Hosts", hosts(scene)),
            Line("Type", typed(scenes.type_name(scene)[:200])),
            Line("Where", place(scene.booking, show)),
            Line("Guests", typed(scenes.guest_names(scene.booking, show))),
            Line("Status", typed(scenes.status_words(scene))),
        ),
        answers=answers(scene.booking, show),
        links=page(scene),
        notes=remarks(scene),
        mention=mention,
        colour=colour(scene),
        event_id=scene.event.id,
    )


def emoji(scene: Scene, rules: Rules) -> str:
    """The event's emoji, then the one that `types` of the rules gives this booking type."""
    return " ".join(filter(None, [scenes.headline(scene).emoji, scenes.look(scene, rules).emoji]))


def colour(scene: Scene) -> str:
    """The colour of the bar: the booking type's; red when the booking is over; "" for none."""
    bar = tint(scene.type.color) if scene.type else ""
    return BAD if bar and scenes.over(scene) else bar


def page(scene: Scene) -> tuple[Markup, ...]:
    """The link to the booking's page, if there is one."""
    return (link(scene.link, "Open the booking"),) if scene.link else ()


def remarks(scene: Scene) -> tuple[Markup, ...]:
    return (typed(scene.note),) if scene.note else ()


def booker(booking: Booking, show: Show) -> Markup:
    """Name and the contact details that may be shown."""
    who = booking.booker
    email = mail(who.email) if show.email else NOTHING
    phone = typed(who.phone) if show.phone else NOTHING
    known = [piece for piece in (typed(who.name), email, phone) if piece]
    return Markup("\n".join(p.mrkdwn for p in known), ", ".join(p.text for p in known))


def hosts(scene: Scene) -> Markup:
    """Who hosts, and who did when that is known to have changed."""
    now = typed(scenes.host_names(scene, scene.booking))
    if scene.previous is None or "hosts" not in changes(scene.previous, scene.booking):
        return now
    return join([now, ours(" (was "), typed(scenes.host_names(scene, scene.previous)), ours(")")])


def place(booking: Booking, show: Show) -> Markup:
    """Where, in words, with a link that shows its site."""
    if not (booking.location.type or booking.location.details):
        return NOTHING
    where = scenes.place(booking, show)
    return join([piece for piece in (typed(where.text[:600]), link(where.url)) if piece], " · ")


def answers(booking: Booking, show: Show) -> tuple[tuple[str, str], ...]:
    """Labels and texts of the answers, if they may be shown; none longer than any message could hold."""
    if not show.answers:
        return ()
    return tuple((answer.label, answer.text[:_LONGEST]) for answer in booking.answers if answer.values)


def _when(scene: Scene, rules: Rules) -> Markup:
    zone = rules.settings.timezone
    now = when(scene.booking, zone, off=scenes.over(scene) or scene.former)
    if scene.previous is None or "time" not in changes(scene.previous, scene.booking):
        return now
    old = period(scene.previous, zone)
    return Markup(f"{now.mrkdwn}\nWas {struck(old).mrkdwn}", f"{now.text}; was {old.text}")
