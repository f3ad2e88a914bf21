"""A Slack message on the terminal, as a person sees it in Slack: for the demo, tests and pictures.

The channel is the panel's title; a reply is indented under it, an edit is marked, a colour bar is
drawn beside an attachment.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from bridge.core.messages.scenes import Rendered
from bridge.sandbox.screen_text import MENTION, Reader, date_token, link, literal, mrkdwn, plain_text
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Block, Content, Message
from bridge.sandbox.slack_workspace import BOT_USER

INDENT = 4
"""Columns a reply stands to the right of its parent."""

COLORS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}


def reader_of(slack: SlackStandIn, zone: tzinfo = UTC, now: datetime | None = None) -> Reader:
    """Return a reader who knows the people and channels of this workspace, in this time zone."""
    users = {user.id: user.name for user in slack.workspace.users.values()}
    channels = {channel.id: channel.name for channel in slack.workspace.channels.values()}
    return Reader(users | channels, zone, now)


def show(message: Message, reader: Reader) -> RenderableType:
    """Return the message as a panel to print."""
    moment = datetime.fromtimestamp(float(message.ts), UTC).astimezone(reader.zone)
    time = date_token("time", moment, reader.clock())
    author = message.username or reader.names.get(message.author, "booking-bridge")
    byline = Text.assemble((literal(author), "bold"), " ", ("APP", "reverse dim"), f"  {time}")
    if message.author != BOT_USER and message.via == "person":
        byline = Text.assemble((literal(author), "bold"), f"  {time}")
    where = Text(literal(message.channel), style="bold")
    if message.is_reply:
        also = ", also sent to the channel" if message.broadcast else ""
        where = Text(f"↳ reply in {literal(message.channel)}{also}", style="bold")
    panel = Panel(
        Group(byline, *_content(message, reader)),
        title=where,
        title_align="left",
        subtitle=_marks(message),
        subtitle_align="right",
        box=box.ROUNDED,
        border_style="dim",
        padding=(0, 1),
    )
    return Padding(panel, (0, 0, 0, INDENT)) if message.is_reply else panel


def preview(
    channel: str, rendered: Rendered, zone: tzinfo = UTC, names: Mapping[str, str] | None = None
) -> RenderableType:
    """Return a message that was not sent, as a panel to print."""
    content = Content(rendered.text, tuple(rendered.blocks), tuple(rendered.attachments))
    now = datetime.now(UTC)
    message = Message(channel, "", f"{now.timestamp():.6f}", content, 0, now.timestamp(), BOT_USER, "preview")
    return show(message, Reader({}, zone, now))


def as_text(messages: Iterable[Message], reader: Reader, width: int = 80) -> str:
    """Return the messages' panels as plain text, so many columns wide."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        for message in messages:
            console.print(show(message, reader))
    return capture.get()


def as_svg(messages: Iterable[Message], reader: Reader, width: int = 80, title: str = "Slack") -> str:
    """Return the messages' panels as an SVG picture that needs nothing from the network."""
    console = Console(
        file=io.StringIO(), width=width, record=True, force_terminal=True, color_system="truecolor"
    )
    for message in messages:
        console.print(show(message, reader))
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title=title), flags=re.DOTALL)


class _Bar:
    """Something with a coloured bar along its left side."""

    def __init__(self, inner: RenderableType, color: str) -> None:
        self._inner = inner
        self._style = Style(color=color)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrower = options.update(width=max(options.max_width - 2, 1))
        for line in console.render_lines(self._inner, narrower):
            yield Segment("▌ ", self._style)
            yield from line
            yield Segment.line()


def _marks(message: Message) -> Text | None:
    marks = ["deleted"] if message.deleted else []
    if message.edits:
        marks.append("edited" if len(message.edits) == 1 else f"edited {len(message.edits)} times")
    return Text(", ".join(marks), style="dim italic") if marks else None


def _content(message: Message, reader: Reader) -> list[RenderableType]:
    """Return what is shown: blocks in place of the text, then the attachments."""
    shown: list[RenderableType] = _blocks(message.blocks, reader)
    if not shown and message.text:
        shown = [mrkdwn(message.text, reader)]
    for attachment in message.attachments:
        inner = _blocks(attachment.get("blocks") or (), reader)
        if not inner:
            inner = [mrkdwn(str(attachment.get("text") or attachment.get("fallback") or ""), reader)]
        shown.append(_Bar(Group(*inner), _color(attachment.get("color"))))
    return shown


def _color(color: Any) -> str:
    known = COLORS.get(str(color), str(color))
    known = known if known.startswith("#") else f"#{known}"
    return known if re.fullmatch(r"#[0-9A-Fa-f]{6}", known) else "#808080"


def _blocks(blocks: Sequence[Block], reader: Reader) -> list[RenderableType]:
    shown: list[RenderableType] = []
    for block in blocks:
        draw = _DRAW.get(str(block.get("type")))
        shown.append(draw(block, reader) if draw else Text(f"[{block.get('type')}]", style="dim"))
    return shown


def _object(item: Any, reader: Reader) -> Text:
    """Return a text object's text, or an image's description."""
    if not isinstance(item, Mapping):
        return Text()
    if item.get("type") == "image":
        return plain_text(f"[{item.get('alt_text', '')}]")
    text = str(item.get("text", ""))
    return mrkdwn(text, reader) if item.get("type") == "mrkdwn" else plain_text(text)


def _header(block: Block, reader: Reader) -> RenderableType:
    text = _object(block.get("text"), reader)
    text.stylize("bold bright_white")
    return text


def _section(block: Block, reader: Reader) -> RenderableType:
    parts: list[RenderableType] = []
    if "text" in block:
        parts.append(_object(block["text"], reader))
    fields = [_object(item, reader) for item in block.get("fields") or ()]
    if fields:
        grid = Table.grid(padding=(0, 2, 1, 0), expand=True)
        grid.add_column(ratio=1, overflow="fold")  # a narrow terminal breaks an address, and hides none of it
        grid.add_column(ratio=1, overflow="fold")
        for left in range(0, len(fields), 2):
            grid.add_row(*fields[left : left + 2])
        parts.append(grid)
    accessory = block.get("accessory")
    if isinstance(accessory, Mapping):
        button = accessory.get("type") == "button"
        parts.append(_button(accessory, reader) if button else _object(accessory, reader))
    return Group(*parts)


def _context(block: Block, reader: Reader) -> RenderableType:
    line = Text("  ").join([_object(item, reader) for item in block.get("elements") or ()])
    line.stylize("dim")
    return line


def _button(element: Mapping[str, Any], reader: Reader) -> Text:
    label = _object(element.get("text"), reader)
    return Text.assemble(" ", label, " ", style="reverse")


def _actions(block: Block, reader: Reader) -> RenderableType:
    return Columns([_button(element, reader) for element in block.get("elements") or ()], padding=(0, 1))


def _image(block: Block, reader: Reader) -> RenderableType:
    return plain_text(f"[{block.get('alt_text', '')}]")


def _markdown(block: Block, reader: Reader) -> RenderableType:
    return plain_text(str(block.get("text", "")))


def _rich_text(block: Block, reader: Reader) -> RenderableType:
    return Group(*(_rich_part(part, reader) for part in block.get("elements") or ()))


def _rich_part(part: Mapping[str, Any], reader: Reader) -> RenderableType:
    elements = part.get("elements") or ()
    match part.get("type"):
        case "rich_text_list":
            marks = (
                f"{n}. " if part.get("style") == "ordered" else "• " for n in range(1, len(elements) + 1)
            )
            lines = [
                Text(mark) + _leaves(item.get("elements") or (), reader)
                for mark, item in zip(marks, elements, strict=True)
            ]
            return Text("\n").join(lines)
        case "rich_text_quote":
            return _Bar(_leaves(elements, reader), "#808080")
        case _:
            return _leaves(elements, reader)


def _leaves(elements: Sequence[Mapping[str, Any]], reader: Reader) -> Text:
    line = Text()
    for leaf in elements:
        draw = _LEAVES.get(str(leaf.get("type")))
        part = draw(leaf, reader) if draw else Text(literal(str(leaf.get("text", ""))))
        for name, wanted in (leaf.get("style") or {}).items():
            if wanted and name in ("bold", "italic", "strike", "underline"):
                part.stylize(name)
        line.append_text(part)
    return line


_DRAW: Mapping[str, Callable[[Block, Reader], RenderableType]] = {
    "header": _header,
    "section": _section,
    "divider": lambda block, reader: Rule(style="dim"),
    "context": _context,
    "actions": _actions,
    "image": _image,
    "markdown": _markdown,
    "rich_text": _rich_text,
}

_LEAVES: Mapping[str, Callable[[Mapping[str, Any], Reader], Text]] = {
    "link": lambda leaf, reader: link(str(leaf["url"]), str(leaf.get("text") or leaf["url"])),
    "emoji": lambda leaf, reader: plain_text(f":{leaf['name']}:"),
    "user": lambda leaf, reader: mrkdwn(f"<@{leaf['user_id']}>", reader),
    "channel": lambda leaf, reader: mrkdwn(f"<#{leaf['channel_id']}>", reader),
    "usergroup": lambda leaf, reader: Text(f"@{leaf['usergroup_id']}", MENTION),
    "broadcast": lambda leaf, reader: mrkdwn(f"<!{leaf['range']}>", reader),
    "date": lambda leaf, reader: mrkdwn(
        f"<!date^{leaf['timestamp']}^{leaf['format']}|{leaf.get('fallback', '')}>", reader
    ),
}
