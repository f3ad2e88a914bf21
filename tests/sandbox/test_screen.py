"""A Slack message on the terminal, exactly as it is printed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.sandbox.screen import as_svg, as_text, reader_of
from bridge.sandbox.screen_text import Reader, mrkdwn
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Content, Message
from bridge.sandbox.slack_workspace import BOT_USER

NOW = datetime(2026, 7, 6, 9, tzinfo=UTC)
START = int(datetime(2026, 7, 8, 15, tzinfo=UTC).timestamp())
READER = Reader({"U1": "Ana Lima", "C1": "sales"}, ZoneInfo("America/Sao_Paulo"), NOW)


def mark(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def story() -> tuple[SlackStandIn, list[Message]]:
    """A card that was edited, and the reply in its thread."""
    slack = SlackStandIn(clock=NOW.timestamp)
    slack.add_user("Ana Lima", "ana@example.com", "U1")
    channel = slack.add_channel("sales")
    blocks = (
        {
            "type": "header",
            "text": {"type": "plain_text", "text": ":calendar: Moved: [bold]Intro[/bold] &amp; more"},
        },
        {
            "type": "section",
            "fields": [mark(f"*When*\n<!date^{START}^{{date_long}} {{time}}|x>"), mark("*Host*\n<@U1>")],
        },
        {"type": "context", "elements": [mark("Topic: &lt;b&gt; \x1b[31m")]},
    )
    bar = ({"color": "good", "blocks": [{"type": "section", "text": mark("_in_ the\nbar")}]},)
    card = slack.workspace.store(channel, Content("fallback", blocks, bar), BOT_USER, "chat.postMessage")
    card = slack.workspace.edit(card, card.content, None)
    reply = slack.workspace.store(
        channel, Content("Moved by *one* day"), BOT_USER, "chat.postMessage", thread_ts=card.ts
    )
    return slack, [card, reply]


def test_a_narrow_terminal_hides_nothing() -> None:
    """An address that is wider than its column goes on in the next line."""
    slack = SlackStandIn(clock=NOW.timestamp)
    fields = [mark("zaphod.beeblebrox@example.org"), mark("Host")]
    content = Content("x", ({"type": "section", "fields": fields},))
    message = slack.workspace.store(slack.add_channel("sales"), content, BOT_USER, "chat.postMessage")
    shown = as_text([message], READER, 32)
    assert "zaphod.beeblebrox@example.org" in re.sub(r"[^a-z.@]", "", shown.replace("Host", ""))


def test_a_card_and_its_reply() -> None:
    """Channel, header, two columns, context, bar, edit mark, indented reply; markup in text is inert."""
    slack, messages = story()
    reader = reader_of(slack, ZoneInfo("America/Sao_Paulo"), NOW)
    assert as_text(messages, reader, 60) == dedent(
        """\
        ╭─ #sales ─────────────────────────────────────────────────╮
        │ booking-bridge APP  6:00 AM                              │
        │ 📆 Moved: [bold]Intro[/bold] & more                      │
        │ When                        Host                         │
        │ Wednesday, July 8th 12:00   @Ana Lima                    │
        │ PM                                                       │
        │ Topic: <b> �[31m                                         │
        │ ▌ in the                                                 │
        │ ▌ bar                                                    │
        ╰───────────────────────────────────────────────── edited ─╯
            ╭─ ↳ reply in #sales ──────────────────────────────────╮
            │ booking-bridge APP  6:00 AM                          │
            │ Moved by one day                                     │
            ╰──────────────────────────────────────────────────────╯
        """
    )


def test_every_kind_of_block() -> None:
    """What is not text is told in words; a kind nobody knows shows its name."""

    def leaves(*parts: dict[str, Any]) -> dict[str, Any]:
        return {"type": "rich_text_section", "elements": list(parts)}

    rich = [
        {
            "type": "rich_text_list",
            "style": "ordered",
            "elements": [
                leaves(
                    {"type": "text", "text": "one ", "style": {"bold": True}},
                    {"type": "user", "user_id": "U1"},
                ),
                leaves(
                    {"type": "link", "url": "https://x.example", "text": "two"},
                    {"type": "emoji", "name": "tada"},
                ),
            ],
        },
        {"type": "rich_text_quote", "elements": [{"type": "broadcast", "range": "here"}]},
        leaves({"type": "date", "timestamp": START, "format": "{date_num}", "fallback": "x"}),
    ]
    button = {"type": "button", "text": {"type": "plain_text", "text": "Open"}}
    blocks = (
        {"type": "section", "text": mark("&gt; quoted"), "accessory": button},
        {"type": "divider"},
        {"type": "image", "image_url": "https://x.example", "alt_text": "a map"},
        {"type": "actions", "elements": [button, button]},
        {"type": "markdown", "text": "# as it is"},
        {"type": "rich_text", "elements": rich},
        {"type": "video"},
    )
    slack = SlackStandIn(clock=NOW.timestamp)
    message = slack.workspace.store(slack.add_channel("sales"), Content("x", blocks), "U1", "person")
    assert as_text([message], READER, 30) == dedent(
        """\
        ╭─ #sales ───────────────────╮
        │ Ana Lima  6:00 AM          │
        │ ▎ quoted                   │
        │  Open                      │
        │ ────────────────────────── │
        │ [a map]                    │
        │  Open   Open               │
        │ # as it is                 │
        │ 1. one @Ana Lima           │
        │ 2. two🎉                   │
        │ ▌ @here                    │
        │ 2026-07-08                 │
        │ [video]                    │
        ╰────────────────────────────╯
        """
    )


def test_a_picture_needs_no_network() -> None:
    """The SVG holds the text and loads nothing."""
    slack, messages = story()
    picture = as_svg(messages, reader_of(slack), title="#sales")
    assert "Moved" in picture
    assert "url(http" not in picture
    assert "@font-face" not in picture


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*bold* _it_ ~old~ `code`", "bold it old code"),
        ("*<https://x.example|a link>*", "a link"),
        ("<https://x.example>", "https://x.example"),
        ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
        ("`*not bold*`", "*not bold*"),
        ("&lt;!channel&gt; &amp;lt;", "<!channel> &lt;"),
        ("<@U1> <@U9> <#C1> <!here> <!subteam^S1|@ops>", "@Ana Lima @U9 #sales @here @ops"),
        ("&gt; quoted\nnot", "▎ quoted\nnot"),
        ("[red]x[/red] :tada:", "[red]x[/red] 🎉"),
        (f"<!date^{START}^{{date_short}}|x>", "Jul 8"),
        (f"<!date^{START}^{{date_num}} {{time_secs}}|x>", "2026-07-08 12:00:00 PM"),
        (f"<!date^{START - 86400}^{{date_pretty}}, {{ago}}|x>", "tomorrow, in 1 day"),
        ("<!date^1500000000^{date}|x>", "July 13th, 2017"),
        ("<!date^soon^{date}|then>", "then"),
        (f"<!date^{START}^{{moon}}|x>", "{moon}"),
    ],
)
def test_text_as_it_is_read(text: str, shown: str) -> None:
    """Marks, entities, mentions, dates and emoji, in the reader's zone."""
    assert mrkdwn(text, READER).plain == shown
