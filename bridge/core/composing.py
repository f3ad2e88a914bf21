"""The parts of a message put together: blocks for the eye and, from the same parts, one text.

Where a booking type has a colour, the headline and the time stay at top level, so that `text` remains a
mere fallback (docs.slack.dev/reference/methods/chat.postMessage), and the details go into one legacy
attachment, the only thing in Slack that can show a coloured bar.

No rich_text block is used, though it would hold text safely: Slack refuses to edit a message from
rich_text to anything else (`block_mismatch`), and a card may change its message when rules change.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core import fitting
from bridge.core.escaping import cut, cut_plain, escape, inline, plain_size, size
from bridge.core.fitting import context, mrkdwn, plain, section, weight
from bridge.core.markup import NOTHING, Markup
from bridge.core.scenes import Json, Rendered

_LABEL = 200
_ROOM_FOR_POINTER = 250
_LEAST = 80


@dataclass(frozen=True, slots=True)
class Line:
    """A value and what it is; the label is our own or the admin's words, "" for none."""

    label: str
    value: Markup


@dataclass(frozen=True, slots=True)
class Parts:
    """A message before it has a form; what is empty is left out.

    `header` is plain text, `title` the same as safe text. `lead` lines are wide, `lines` stand in two
    columns; `answers` are the booker's labels and texts, as typed, and the first to be shortened.
    """

    header: str = ""
    title: str = ""
    lead: tuple[Line, ...] = ()
    lines: tuple[Line, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    links: tuple[Markup, ...] = ()
    notes: tuple[Markup, ...] = ()
    mention: Markup = NOTHING
    colour: str = ""
    event_id: str = ""


def compose(parts: Parts) -> Rendered:
    """The message, within all of Slack's limits."""
    head, details, notes = _head(parts), _details(parts), _notes(parts)
    room = fitting.ROOM - _ROOM_FOR_POINTER - weight([head, details, notes])
    places = (fitting.ATTACHED_BLOCKS if parts.colour else fitting.BLOCKS - len(head)) - len(details) - 2
    answers, shortened = _answers(parts.answers, room, places)
    details += answers
    if room < 0:
        shortened |= fitting.fit(
            details, room=max(fitting.ROOM - 2 * _ROOM_FOR_POINTER - weight([head, notes]), 0)
        )
    if shortened:
        notes.append(context(mrkdwn(_pointer(parts.event_id), fitting.SECTION)))
    details += notes
    text = spoken(parts)
    if not parts.colour or not details:
        return Rendered(text, head + details, [])
    return Rendered(
        text, head, [{"color": parts.colour, "blocks": details, "fallback": cut(parts.title, 300)}]
    )


def spoken(parts: Parts) -> str:
    """The message as one text: everything the blocks say, in lines."""
    last = [note.text for note in (*parts.links, *parts.notes) if note]
    last += [f"For {parts.mention.text}"] if parts.mention else []
    lines = [parts.title, *(_said(line) for line in (*parts.lead, *parts.lines) if line.value)]
    base, end = cut("\n".join(filter(None, lines)), 2_500), cut("\n".join(last), 900)
    room = fitting.TEXT - size(base) - size(end) - _ROOM_FOR_POINTER
    answers, shortened = [], False
    for label, value in parts.answers:
        answer = f"{inline(label)}: {inline(value)}"
        if size(answer) >= room:
            shortened = True
            answers += [cut(answer, room - 1)] if room > _LEAST else []
            break
        answers.append(answer)
        room -= size(answer) + 1
    pointer = [_pointer(parts.event_id)] if shortened else []
    return "\n".join(filter(None, [base, *answers, *pointer, end])) or "Booking"


def labelled(label: str, value: str) -> str:
    """A value beneath its label in bold."""
    return f"*{cut(escape(label), _LABEL)}*\n{value}" if label else value


def _said(line: Line) -> str:
    return f"{escape(line.label)}: {line.value.text}" if line.label else line.value.text


def _head(parts: Parts) -> list[Json]:
    blocks = [fitting.header(parts.header)] if parts.header.strip() else []
    if parts.mention:
        blocks.append(section(mrkdwn(f"For {parts.mention.mrkdwn}", fitting.SECTION)))
    lead = (labelled(line.label, line.value.mrkdwn) for line in parts.lead if line.value)
    return blocks + [section(mrkdwn(text, fitting.SECTION)) for text in lead]


def _details(parts: Parts) -> list[Json]:
    return fitting.fields(labelled(line.label, line.value.mrkdwn) for line in parts.lines if line.value)


def _notes(parts: Parts) -> list[Json]:
    """Links and remarks; a link is mrkdwn, since a button needs an endpoint that acknowledges clicks."""
    links = " · ".join(link.mrkdwn for link in parts.links if link)
    blocks = [section(mrkdwn(links, fitting.SECTION))] if links else []
    notes = [mrkdwn(note.mrkdwn, fitting.SECTION) for note in parts.notes if note]
    return blocks + ([context(*notes[: fitting.ELEMENTS])] if notes else [])


def _answers(answers: tuple[tuple[str, str], ...], room: int, places: int) -> tuple[list[Json], bool]:
    """Blocks of as many answers as fit, and whether something is missing.

    Label and answer are plain_text: whatever the booker typed is shown as typed.
    """
    blocks: list[Json] = []
    for label, value in answers:
        if not value:
            continue
        if len(blocks) + 2 > places:
            return blocks, True
        pair = _answer(label, value, fitting.SECTION)
        if (excess := weight(pair) - room) > 0:
            left = min(plain_size(value), fitting.SECTION) - excess - sum(map(value[:3_000].count, '"\\\n\t'))
            return blocks + (_answer(label, value, left) if left > _LEAST else []), True
        blocks += pair
        room -= weight(pair)
        if plain_size(value) > fitting.SECTION:
            return blocks, True
    return blocks, False


def _answer(label: str, value: str, limit: int) -> list[Json]:
    return [context(plain(cut_plain(label, _LABEL), _LABEL)), section(plain(value, limit))]


def _pointer(event_id: str) -> str:
    return f"Shortened; see all of it with `booking-bridge events show {event_id}`"
