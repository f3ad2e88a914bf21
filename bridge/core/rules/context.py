"""One event as conditions see it: the texts, numbers and times that rules can ask about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bridge.core.bookings import BookingType, Directory, Event
from bridge.core.rules.patterns import Value, value
from bridge.core.text import fold

UTC: Final = ZoneInfo("UTC")


class Context:
    """One event as conditions see it; what several rules ask for is worked out once.

    `local_start` is when the booking starts on the wall clock of the rules' time zone, `starts_in` how
    long after the event that is, negative when it had started; None without a start.
    """

    def __init__(
        self,
        event: Event,
        directory: Directory,
        types: Mapping[str, BookingType],
        zone: ZoneInfo = UTC,
    ) -> None:
        self.event = event
        self.booking = event.booking
        self.directory = directory
        self.type = types.get(event.booking.type_id)
        self.zone = zone
        self._values: dict[str, tuple[Value, ...]] = {}
        self._answers: dict[str, tuple[Value, ...]] | None = None
        start = event.booking.start
        self.local_start: datetime | None = start.astimezone(zone) if start else None
        self.starts_in: timedelta | None = start - event.at if start else None

    def values(self, subject: str) -> tuple[Value, ...]:
        """The texts a pattern on this subject (of `SUBJECTS`) is tried on; unknown ones are left out."""
        found = self._values.get(subject)
        if found is None:
            found = self._values[subject] = _values(SUBJECTS[subject](self))
        return found

    def answers(self) -> Mapping[str, tuple[Value, ...]]:
        """What was answered, by folded label and by folded question id."""
        if self._answers is not None:
            return self._answers
        found: dict[str, tuple[Value, ...]] = {}
        for answer in self.booking.answers:
            for name in {fold(answer.label), fold(answer.id)} - {""}:
                found[name] = found.get(name, ()) + _values(answer.values)
        self._answers = found
        return found


def _values(texts: tuple[str, ...]) -> tuple[Value, ...]:
    return tuple([value(text) for text in texts if text])


def _type(context: Context) -> tuple[str, ...]:
    booking, known = context.booking, context.type
    title = booking.type_title or (known.title if known else "")
    return (title, known.slug if known else "", booking.type_id)


def _hosts(context: Context) -> tuple[str, ...]:
    people = [context.directory.person(host.id) for host in context.booking.hosts]
    return tuple([text for person in people for text in (person.name, person.email, person.id)])


SUBJECTS: Final[Mapping[str, Callable[[Context], tuple[str, ...]]]] = {
    "event": lambda context: (context.event.name,),
    "type": _type,
    "status": lambda context: (context.booking.status,),
    "host": _hosts,
    "booker.name": lambda context: (context.booking.booker.name,),
    "booker.email": lambda context: (context.booking.booker.email,),
    "booker.phone": lambda context: (context.booking.booker.phone,),
    "booker.timezone": lambda context: (context.booking.booker.timezone,),
    "booker.locale": lambda context: (context.booking.booker.locale,),
    "location": lambda context: (context.booking.location.type,),
}
"""What a pattern can be about, and the texts it is tried on. Answers are not here: they have labels."""

QUANTITIES: Final[Mapping[str, Callable[[Context], int | None]]] = {
    "guests": lambda context: len(context.booking.guests),
    "duration": lambda context: context.booking.duration,
}
"""What a number can be about; durations are minutes."""
