"""Slack's text as a person sees it: mrkdwn, mentions, links, dates and emoji to Rich text.

Source: docs.slack.dev "Formatting message text". Whatever a text holds, nothing in it is taken for
Rich's own markup or reaches the terminal as a control character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from rich.emoji import Emoji
from rich.style import Style
from rich.text import Text

LINK = Style(color="bright_blue", underline=True)
MENTION = Style(color="bright_cyan", bold=True)
ALERT = Style(color="black", bgcolor="yellow", bold=True)
CODE = Style(color="bright_red")

_MARKS = re.compile(
    r"```(?P<pre>.+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<control>[^<>\n]+)>"
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^\s_](?:[^_\n]*[^\s_])?)_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>[^\s~](?:[^~\n]*[^\s~])?)~(?![\w~])",
    re.DOTALL,
)
_NESTED = {"bold": Style(bold=True), "italic": Style(italic=True), "strike": Style(strike=True)}
_QUOTE = re.compile(r"^(?:>|&gt;) ?", re.MULTILINE)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TOKEN = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks at the screen. names: user and channel ids to names; now: None for the present."""

    names: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = UTC
    now: datetime | None = None

    def clock(self) -> datetime:
        """The reader's time."""
        return (self.now or datetime.now(UTC)).astimezone(self.zone)


def literal(text: str) -> str:
    """Return text with Slack's three entities resolved and control characters made visible."""
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, char)
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def plain_text(text: str) -> Text:
    """Return a plain_text object's text: emoji and line breaks, nothing else."""
    return Text(Emoji.replace(literal(text)))


def mrkdwn(text: str, reader: Reader, style: Style | None = None) -> Text:
    """Return an mrkdwn text as it is shown to the reader."""
    shown = Text(style=style or Style())
    if style is None:
        text = _QUOTE.sub("▎ ", text)
    end = 0
    for found in _MARKS.finditer(text):
        shown.append(Emoji.replace(literal(text[end : found.start()])))
        end = found.end()
        kind = str(found.lastgroup)
        inner = found[kind]
        if kind == "control":
            shown.append_text(_control(inner, reader))
        elif kind in _NESTED:
            shown.append_text(mrkdwn(inner, reader, _NESTED[kind]))
        else:
            shown.append(literal(inner), CODE)
    shown.append(Emoji.replace(literal(text[end:])))
    return shown


def link(url: str, label: str) -> Text:
    """Return a label that leads to an address, when that is one for a browser or a mail program."""
    url = _CONTROLS.sub("", url)
    safe = url.startswith(("https://", "http://", "mailto:"))
    return Text(literal(label), LINK + Style(link=url) if safe else LINK)


def _control(inner: str, reader: Reader) -> Text:
    """Return what stands for `<inner>`: a mention, a date or a link."""
    target, _, label = inner.partition("|")
    name = reader.names.get(target[1:], "")
    if target.startswith("@"):
        return Text(f"@{literal(name or label or target[1:])}", MENTION)
    if target.startswith("#"):
        return Text(f"#{literal(name or label or target[1:]).lstrip('#')}", MENTION)
    if target.startswith("!date^"):
        return _date(target, label, reader)
    if target.startswith("!subteam^"):
        return Text(literal(label or target.removeprefix("!subteam^")), MENTION)
    if target.startswith("!"):
        return Text(f"@{literal(target[1:])}", ALERT)
    return link(literal(target), label or target)


def _date(target: str, fallback: str, reader: Reader) -> Text:
    parts = target.split("^")
    try:
        moment = datetime.fromtimestamp(int(parts[1]), UTC).astimezone(reader.zone)
        form = literal(parts[2])
    except (ValueError, IndexError, OverflowError, OSError):
        return Text(literal(fallback))
    shown = _TOKEN.sub(lambda found: date_token(found[1], moment, reader.clock()) or found[0], form)
    return link(parts[3], shown) if len(parts) > 3 and parts[3] else Text(shown)


def date_token(token: str, moment: datetime, now: datetime) -> str:
    """Return what `{token}` of a date shows, "" for an unknown one; the year goes within six months."""
    pretty = token.endswith("_pretty")
    form = _FORMS.get(token.removesuffix("_pretty"))
    if form is None:
        return ""
    days = (moment.date() - now.date()).days
    if pretty and days in _NEAR and token.startswith("date"):
        return _NEAR[days]
    return form(moment, now)


_NEAR = {-1: "yesterday", 0: "today", 1: "tomorrow"}


def _year(moment: datetime, now: datetime) -> str:
    return f", {moment.year}" if abs(moment - now) > timedelta(days=183) else ""


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _ago(moment: datetime, now: datetime) -> str:
    seconds = (moment - now).total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if abs(seconds) >= size:
            count = round(abs(seconds) / size)
            span = f"{count} {unit}{'s' if count != 1 else ''}"
            return f"in {span}" if seconds > 0 else f"{span} ago"
    return "now"


_FORMS: Mapping[str, Callable[[datetime, datetime], str]] = {
    "date_num": lambda moment, now: f"{moment:%Y-%m-%d}",
    "date": lambda moment, now: f"{moment:%B} {_ordinal(moment.day)}{_year(moment, now)}",
    "date_short": lambda moment, now: f"{moment:%b} {moment.day}{_year(moment, now)}",
    "date_long": lambda moment, now: f"{moment:%A, %B} {_ordinal(moment.day)}{_year(moment, now)}",
    "time": lambda moment, now: f"{moment.hour % 12 or 12}:{moment:%M %p}",
    "time_secs": lambda moment, now: f"{moment.hour % 12 or 12}:{moment:%M:%S %p}",
    "ago": _ago,
}
