"""The page at a feed's address: what it shows next, and one button for each calendar to subscribe."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final
from urllib.parse import quote

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bridge.core import words
from bridge.core.bookings import PENDING
from bridge.core.feeds.calendar import View, finish, summary
from bridge.core.feeds.entries import Entry
from bridge.core.feeds.feeds import CLIENTS
from bridge.core.feeds.tokens import Options

_TAGS: Final = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_SHOWS: Final = {
    "full": "Everyone who has this address sees every detail of these bookings, so keep it to yourself.",
    "title": "Whoever has this address sees what these bookings are and when, not who booked them.",
    "busy": "Whoever has this address sees only when there is something, not what.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is made of: `address` ends in .ics, `fetches` are the last ones by client.

    `stale`: since when Copera could not be read, where that is too long.
    """

    name: str
    address: str
    options: Options
    entries: Sequence[Entry]
    view: View
    fetches: Mapping[str, datetime]
    now: datetime
    stale: datetime | None = None


class Template:
    """A page's template; `policy` allows its own script and style by their digests, and nothing else."""

    def __init__(self, name: str) -> None:
        environment = Environment(
            loader=PackageLoader("bridge.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.render = environment.get_template(name).render
        source, _, _ = environment.loader.get_source(environment, name)  # type: ignore[union-attr]
        digests: dict[str, list[str]] = {"script": [], "style": []}
        for kind, text in _TAGS.findall(source):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            digests[kind].append(f"'sha256-{digest}'")
        allowed = {kind: " ".join(found) or "'none'" for kind, found in digests.items()}
        self.policy = (
            f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']};"
            " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


class Renderer:
    """Renders pages."""

    def __init__(self) -> None:
        self._template = Template("feed.html")
        self.policy = self._template.policy

    def __call__(self, page: Page) -> str:
        """The HTML of a page."""
        subscribe = "webcal://" + page.address.partition("://")[2]
        outlook = f"addfromweb?url={_quote(page.address)}&name={_quote(page.name)}"
        return self._template.render(
            name=page.name,
            address=page.address,
            apple=subscribe,
            google=f"https://calendar.google.com/calendar/r?cid={_quote(subscribe)}",
            outlook=f"https://outlook.live.com/calendar/0/{outlook}",
            outlook_work=f"https://outlook.office.com/calendar/0/{outlook}",
            code=_code(page.address.removesuffix(".ics")),
            shows=_SHOWS[page.options.detail],
            alarm=words.duration(page.options.alarm),
            upcoming=[_upcoming(entry, page.view) for entry in page.entries],
            habits=[
                (
                    one.name,
                    one.habit,
                    _ago(page.now, page.fetches[one.name]) if one.name in page.fetches else "",
                )
                for one in CLIENTS
            ],
            fetched=bool(page.fetches),
            stale=_ago(page.now, page.stale) if page.stale else "",
        )


def _upcoming(entry: Entry, view: View) -> dict[str, object]:
    start = entry.booking.start
    assert start is not None, "what is upcoming has a start"
    end = finish(entry.booking)
    return {
        "title": summary(entry.booking, view),
        "start": start.isoformat(),
        "end": end.isoformat() if end else "",
        "when": words.span(start, end, start.tzinfo) + " UTC" if start.tzinfo else "",
        "pending": entry.booking.status == PENDING,
    }


def _ago(now: datetime, then: datetime) -> str:
    """ "5 minutes ago" in one unit: more would pretend to matter."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = seconds // size
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _code(address: str) -> Markup:
    """A QR code as inline SVG, drawn in the text's colour on white."""
    out = BytesIO()
    segno.make(address, error="m").save(
        out,
        kind="svg",
        scale=4,
        border=4,
        xmldecl=False,
        svgns=False,
        omitsize=True,
        light="#fff",
        dark="#000",
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - made here, of shapes alone


def _quote(text: str) -> str:
    return quote(text, safe="")


def nothing(*, again: int) -> str:
    """The page where there is none: `again` is after how many seconds there may be one, 0 for never."""
    if again:
        title, remedy = "The calendar is not ready yet", "This page tries again by itself in a moment."
    else:
        title = "There is no calendar at this address"
        remedy = (
            "Check that the address was copied whole. If it was, it has been replaced: your administrator"
            " can tell you the new one."
        )
    return NOTHING.render(title=title, remedy=remedy, again=again)


NOTHING: Final = Template("feed_none.html")
render: Final = Renderer()
