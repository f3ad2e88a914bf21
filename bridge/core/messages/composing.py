"""The parts of a message put together: blocks for the eye and, from the same parts, one text.

Where a booking type has a colour, the headline and the time stay at top level, so that `text` remains a
mere fallback (docs.slack.dev/reference/methods/chat.postMessage), and the details go into one legacy
attachment, the only thing in Slack that can show a coloured bar.

No rich_text block is used, though it would hold text safely: Slack refuses to edit a message from
rich_text to anything else (`block_mismatch`), and a card may change its message when rules change.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.messages import fitting
from bridge.core.messages.escaping import cut, cut_plain, escape, inline, plain_size, size
from bridge.core.messages.fitting import context, mrkdwn, plain, section, weight
from bridge.core.messages.markup import NOTHING, Markup
from bridge.core.messages.scenes import Json, Rendered

_LABEL = 200
NOTE = 1_000
"""The most that a footer, the links or the mentions may take."""
ROOM_FOR_POINTER = 250
_ROOM_FOR_ANSWERS = 1_000
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
    tinted = bool(parts.colour and head)
    most = (fitting.ATTACHED_BLOCKS if tinted else fitting.BLOCKS - len(head)) - len(notes) - 1
    room = fitting.ROOM - ROOM_FOR_POINTER
    answers = _all_answers(parts.answers, most - len(details))
    shortened = _is_cut(parts)
    if answers is not None and weight([head, details, answers, notes]) <= room:
        details += answers
    else:
        shortened |= _squeeze(parts, head, details, notes, most, room - weight([head, notes]))
    if shortened:
        notes.append(context(mrkdwn(pointer(parts.event_id), NOTE)))
    details += notes
    text = spoken(parts)
    if not tinted or not details:
        return Rendered(text, head + details, [])
    attachment: Json = {"color": parts.colour, "blocks": details, "fallback": cut(parts.title, 300)}
    return Rendered(text, head, [attachment])


def _is_cut(parts: Parts) -> bool:
    """Whether a value alone is longer than its place."""
    places = ((parts.lead, fitting.SECTION), (parts.lines, fitting.FIELD))
    return any(
        size(labelled(line.label, line.value.mrkdwn)) > limit for lines, limit in places for line in lines
    )


def _squeeze(
    parts: Parts, head: list[Json], details: list[Json], notes: list[Json], most: int, room: int
) -> bool:
    """Put into the details what there is room for, shortening in place; whether something is missing."""
    answers, shortened = _answers(parts.answers, room - weight(details), most - len(details))
    details += answers
    shortened |= fitting.fit(details, most, max(room, 0))
    return fitting.fit([*head, *details, *notes]) or shortened


def spoken(parts: Parts) -> str:
    """The message as one text: everything the blocks say, in lines."""
    last = [note.text for note in (*parts.links, *parts.notes) if note]
    last += [f"For {parts.mention.text}"] if parts.mention else []
    lines = [parts.title, *(_said(line) for line in (*parts.lead, *parts.lines) if line.value)]
    whole, end = "\n".join(filter(None, lines)), cut("\n".join(last), NOTE)
    room = fitting.TEXT - size(end) - ROOM_FOR_POINTER
    base = cut(whole, room - _ROOM_FOR_ANSWERS if parts.answers else room)
    answers, shortened = _spoken_answers(parts.answers, room - size(base) - 1)
    more = [pointer(parts.event_id)] if shortened or base != whole else []
    return "\n".join(filter(None, [base, *answers, *more, end])) or "Booking"


def _spoken_answers(answers: tuple[tuple[str, str], ...], room: int) -> tuple[list[str], bool]:
    """Lines of as many answers as fit, and whether something is missing."""
    lines: list[str] = []
    for label, value in answers:
        line = f"{inline(label)}: {inline(value)}"
        if size(line) > room:
            return [*lines, *([cut(line, room)] if room > _LEAST else [])], True
        lines.append(line)
        room -= size(line) + 1
    return lines, False


def labelled(label: str, value: str) -> str:
    """A value beneath its label in bold."""
    return f"*{cut(escape(label), _LABEL)}*\n{value}" if label else value


def _said(line: Line) -> str:
    return f"{escape(line.label)}: {line.value.text}" if line.label else line.value.text


def _head(parts: Parts) -> list[Json]:
    blocks = [fitting.header(parts.header)] if parts.header.strip() else []
    if parts.mention:
        blocks.append(section(mrkdwn(f"For {parts.mention.mrkdwn}", NOTE)))
    lead = (labelled(line.label, line.value.mrkdwn) for line in parts.lead if line.value)
    return blocks + [section(mrkdwn(text, fitting.SECTION)) for text in lead]


def _details(parts: Parts) -> list[Json]:
    return fitting.fields(labelled(line.label, line.value.mrkdwn) for line in parts.lines if line.value)


def _notes(parts: Parts) -> list[Json]:
    """Links and remarks; a link is mrkdwn, since a button needs an endpoint that acknowledges clicks."""
    links = " · ".join(link.mrkdwn for link in parts.links if link)
    blocks = [section(mrkdwn(links, NOTE))] if links else []
    notes = [mrkdwn(note.mrkdwn, NOTE) for note in parts.notes if note]
    return blocks + ([context(*notes[: fitting.ELEMENTS])] if notes else [])


def _all_answers(answers: tuple[tuple[str, str], ...], places: int) -> list[Json] | None:
    """Blocks of all answers, None when one is too long or there are too many.

    Label and answer are plain_text: whatever the booker typed is shown as typed.
    """
    if 2 * len(answers) > places or any(plain_size(value) > fitting.SECTION for _, value in answers):
        return None
    return [block for label, value in answers for block in _answer(label, value, fitting.SECTION)]


def _answers(answers: tuple[tuple[str, str], ...], room: int, places: int) -> tuple[list[Json], bool]:
    """Blocks of as many answers as fit, and whether something is missing."""
    blocks: list[Json] = []
    for label, value in answers:
        if len(blocks) + 2 > places:
            return blocks, True
        limit = min(plain_size(value), fitting.SECTION)
        pair = _answer(label, value, limit)
        while (excess := weight(pair) - room) > 0 and limit > _LEAST:
            limit -= excess
            pair = _answer(label, value, max(limit, _LEAST))
        if excess > 0:
            return blocks, True
        blocks += pair
        room -= weight(pair)
        if plain_size(value) > limit:
            return blocks, True
    return blocks, False


def _answer(label: str, value: str, limit: int) -> list[Json]:
    return [context(plain(cut_plain(label, _LABEL), _LABEL)), section(plain(value, limit))]


def pointer(event_id: str) -> str:
    """What a shortened message says at its end."""
    return f"Shortened; see all of it with `booking-bridge events show {event_id}`"
