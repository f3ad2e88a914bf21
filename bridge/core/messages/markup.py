"""Pieces of a message that are already safe, each with a face for the eye and one for the ear.

The mrkdwn face may hold links, mentions and date tokens; the text face holds the same in words, for
notifications and screen readers (docs.slack.dev/reference/methods/chat.postMessage, on `text`), where
date tokens are not sure to be rendered. Only the functions here and the filters make `Markup`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final
from urllib.parse import quote

from bridge.core import words
from bridge.core.bookings import Booking
from bridge.core.messages.escaping import cut, escape, inline, unescape

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%'+/=?^_{}-]{1,64}@[A-Za-z0-9.-]{1,255}")
_SLACK_USER: Final = re.compile(r"[UW][A-Z0-9]{2,30}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9/?#@&=%+._-]+")
_SITE: Final = re.compile(r"(?<=://)[^/?#]+")
_KEPT: Final = "%:/?#[]@!$&'()+,;=~-._"
_LONGEST_URL: Final = 2_000
DAY_AND_TIME: Final = "{date_long_pretty}, {time}"


@dataclass(frozen=True, slots=True)
class Markup:
    """Safe mrkdwn, and the same in words; both are escaped. Two faces are "" together."""

    mrkdwn: str
    text: str

    def __bool__(self) -> bool:
        return bool(self.mrkdwn)

    @property
    def plain(self) -> str:
        """The words, not escaped, for a plain_text object."""
        return unescape(self.text)


NOTHING: Final = Markup("", "")


def typed(text: str) -> Markup:
    """Somebody's text, harmless."""
    safe = inline(text)
    return Markup(safe, safe)


def ours(text: str) -> Markup:
    """The bridge's or the admin's own words: escaped, but emoji codes and marks work."""
    safe = escape(text)
    return Markup(safe, safe)


def both(piece: str | Markup) -> Markup:
    """Text as harmless markup; markup as it is."""
    return piece if isinstance(piece, Markup) else typed(piece)


def join(pieces: Iterable[str | Markup], separator: str = "") -> Markup:
    """The pieces in a row; a separator is our own words."""
    faces = [both(piece) for piece in pieces]
    between = escape(separator)
    return Markup(between.join(f.mrkdwn for f in faces), between.join(f.text for f in faces))


def struck(piece: Markup) -> Markup:
    """The piece struck through for the eye; in words the caller says that it no longer holds."""
    return Markup(f"~{piece.mrkdwn}~", piece.text) if piece else piece


def web_address(value: str) -> str:
    """An http or https address fit for a `<url|label>`, else "". Odd characters are percent-encoded."""
    value = value.strip()
    scheme, mark, rest = value.partition("://")
    if scheme.lower() not in {"http", "https"} or not mark or not rest.strip("/"):
        return ""
    safe = rest if _PLAIN.fullmatch(rest) else quote(rest, safe=_KEPT, errors="replace")
    return f"{scheme.lower()}://{safe}" if len(safe) < _LONGEST_URL else ""


def site(address: str) -> str:
    """The host of a web address, to be read before it is clicked: "meet.example.com"."""
    found = _SITE.search(address)
    return found[0].rpartition("@")[2] if found else ""


def link(address: str, label: str | Markup = "") -> Markup:
    """A link, the label (else the address's host) on it; without a usable address only the label."""
    url = web_address(address)
    if not url:
        return both(label or address)
    seen = escape(url)
    if not label:
        return Markup(f"<{seen}|{inline(site(url))}>", seen)
    spoken = cut(both(label).text.replace("\n", " ").replace("|", "\u2502"), 200)
    return Markup(f"<{seen}|{spoken}>", f"{spoken} ({seen})")


def mail(address: str) -> Markup:
    """A mailto link when the text is an e-mail address, else only the text."""
    if not _ADDRESS.fullmatch(address):
        return typed(address)
    target = address if _PLAIN.fullmatch(address) else quote(address, safe="@+")
    return Markup(f"<mailto:{target}|{escape(address)}>", inline(address))


def user(slack: str, name: str) -> Markup:
    """A mention of this Slack user, by name in words; only the name without a usable Slack id."""
    spoken = inline(name)
    return Markup(f"<@{slack}>" if _SLACK_USER.fullmatch(slack) else spoken, spoken)


def date_token(moment: datetime, form: str, fallback: str) -> str:
    """Slack's date markup: every reader sees their own zone (formatting-message-text#date-formatting)."""
    return f"<!date^{int(moment.timestamp())}^{form}|{escape(fallback)}>"


def instant(moment: datetime, place: tzinfo) -> Markup:
    """One moment, for the eye in the reader's zone, in words in `place`."""
    said = words.moment(moment, place)
    return Markup(date_token(moment, DAY_AND_TIME, said), said)


def period(booking: Booking, place: tzinfo) -> Markup:
    """From when to when, or "time not known"."""
    start, end = booking.start, booking.end
    if start is None:
        return ours("time not known")
    seen = instant(start, place).mrkdwn
    if end and end > start:
        form = "{time}" if end - start < words.DAY else DAY_AND_TIME
        seen += words.TO + date_token(end, form, words.moment(end, place))
    return Markup(seen, f"{words.span(start, end, place)} ({words.zone_name(place)})")


def when(booking: Booking, place: tzinfo, *, off: bool = False) -> Markup:
    """The whole answer to "when": the period, how long, and the same in the booker's zone.

    `off` strikes the period through for the eye: the booking will not take place.
    """
    base = period(booking, place)
    if booking.start is None:
        return base
    length = words.duration(booking.duration)
    seen = (struck(base) if off else base).mrkdwn + (f" · {length}" if length else "")
    said = base.text + (f", {length}" if length else "")
    home = words.zone(booking.timezone) or words.zone(booking.booker.timezone)
    if home is None:
        return Markup(seen, said)
    local = f"{words.span(booking.start, booking.end, home)} ({home.key})"
    same = home.key == words.zone_name(place)
    said += "; this is the booker's zone too" if same else f"; for the booker {local}"
    return Markup(f"{seen}\nFor the booker: {local}", said)
