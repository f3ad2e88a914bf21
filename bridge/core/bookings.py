"""What a booking, a booking type, a person and an event are, as frozen values.

Times are aware and in UTC; durations are whole minutes. Text that is not known is "", a time that
is not known is None. `core.reading` makes these values from Copera's JSON and is the only way in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

PENDING: Final = "PENDING"
CONFIRMED: Final = "CONFIRMED"
CANCELLED: Final = "CANCELLED"
DECLINED: Final = "DECLINED"
COMPLETED: Final = "COMPLETED"
PASSED_ON: Final = "PASSED_ON"
"""Not Copera's: it is now another host's, in what the one who lost it keeps."""
_SPACE: Final = re.compile(r"\s")
STATUSES: Final = (PENDING, CONFIRMED, DECLINED, CANCELLED, COMPLETED)


@dataclass(frozen=True, slots=True)
class EventKind:
    """One of Copera's seven events, and how messages name it."""

    name: str
    verb: str
    emoji: str


EVENT_KINDS: Final[Mapping[str, EventKind]] = {
    kind.name: kind
    for kind in (
        EventKind("created", "Booked", ":calendar:"),
        EventKind("confirmed", "Confirmed", ":white_check_mark:"),
        EventKind("cancelled", "Cancelled", ":x:"),
        EventKind("rescheduled", "Rescheduled", ":arrows_counterclockwise:"),
        EventKind("declined", "Declined", ":no_entry:"),
        EventKind("reassigned", "Reassigned", ":busts_in_silhouette:"),
        EventKind("no_show", "No-show", ":ghost:"),
    )
}
"""By short name, without `booking.`; the events are Copera's, from its guide on booking webhooks."""


@dataclass(frozen=True, slots=True)
class Host:
    """A member of the workspace who takes part: `id` is Copera's user id, `role` e.g. ORGANIZER."""

    id: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Booker:
    """Who booked. Every field is the booker's own text and must be treated as data."""

    name: str = ""
    email: str = ""
    phone: str = ""
    timezone: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody the booker brings along."""

    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A form answer; a single value is a tuple of one, no answer an empty tuple."""

    id: str
    label: str
    values: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return ", ".join(self.values)


@dataclass(frozen=True, slots=True)
class Location:
    """Where it takes place: a kind such as MEETING_CHANNEL and whatever else came with it."""

    type: str = ""
    details: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """The first http or https address among the details, else "". To be shown, never fetched."""
        addresses = (value for _, value in self.details if value.lower().startswith(("https://", "http://")))
        return next((address for address in addresses if not _SPACE.search(address)), "")

    @property
    def text(self) -> str:
        """The place in words: "Meeting channel", "In person, 12 High Street"."""
        kind = self.type.replace("_", " ").replace("-", " ").strip()
        words = kind.capitalize() if kind.isupper() else kind
        url = self.url
        said = [v for k, v in self.details if v and v != url and not k.lower().endswith("id")]
        return ", ".join(filter(None, [words, *said]))


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking in one state, as a webhook or the read API told it.

    `id` is the identity of its source: a webhook's `data.id`, the API's `uid`. No guide says whether
    these are equal, so `uid` holds the API's only where the source gave it as such, else "".
    """

    id: str
    uid: str = ""
    status: str = ""
    type_id: str = ""
    type_title: str = ""
    start: datetime | None = None
    end: datetime | None = None
    duration: int | None = None
    timezone: str = ""
    hosts: tuple[Host, ...] = ()
    booker: Booker = field(default_factory=Booker)
    guests: tuple[Guest, ...] = ()
    answers: tuple[Answer, ...] = ()
    location: Location = field(default_factory=Location)

    @property
    def host_ids(self) -> tuple[str, ...]:
        return tuple(host.id for host in self.hosts)


@dataclass(frozen=True, slots=True)
class BookingType:
    """A kind of booking that can be made; `color` is what Copera gives, usually #RRGGBB."""

    id: str
    title: str = ""
    slug: str = ""
    description: str = ""
    kind: str = ""
    duration: int | None = None
    color: str = ""
    hidden: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """A host's name and how to reach them; `slack` is a Slack user id."""

    id: str
    name: str = ""
    email: str = ""
    slack: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a booking.

    `id` is `order.event_id` of the signed document, `name` a key of `EVENT_KINDS`, `at` Copera's `createdAt`,
    `source` one of "webhook" and "repair" (seen in the read API, told by no webhook).
    """

    id: str
    name: str
    at: datetime
    booking: Booking
    source: str = "webhook"

    @property
    def kind(self) -> EventKind:
        return EVENT_KINDS[self.name]


class Directory:
    """Whom host ids stand for: the workspace's members, completed by `people:` of the rules.

    Name and e-mail come from the member list first, the Slack id from `people:` first (a member
    list has none; one found by e-mail fills the gap). `is_known` is False while the member list was
    never read, so that somebody unknown may be known in a moment.
    """

    def __init__(
        self, members: Iterable[Person] = (), people: Iterable[Person] = (), *, is_known: bool = True
    ) -> None:
        self.is_known = is_known
        found = {member.id: member for member in members}
        for person in people:
            known = found.get(person.id, person)
            found[person.id] = Person(
                person.id,
                known.name or person.name,
                known.email or person.email,
                person.slack or known.slack,
            )
        self._people: Mapping[str, Person] = found

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def with_slack(self, found: Mapping[str, str]) -> Directory:
        """The same people, with these Slack ids (by host id) where none was known."""
        people = [*self._people.values(), *(Person(each) for each in found if each not in self._people)]
        known = (Person(one.id, one.name, one.email, one.slack or found.get(one.id, "")) for one in people)
        return Directory(known, is_known=self.is_known)

    def person(self, host_id: str) -> Person:
        """The person with this id; somebody unknown is a person with nothing but the id."""
        return self._people.get(host_id) or Person(host_id)

    def name(self, host_id: str) -> str:
        """The best text known for a host: name, else e-mail, else the id."""
        person = self.person(host_id)
        return person.name or person.email or host_id
