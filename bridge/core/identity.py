"""Which booking an event is about: one key for each, under whatever name it is told.

No guide says whether a webhook's `data.id` is the read API's `uid`. A booking's key is the first name it
was told under; other names are joined to it where that is certain: by the same name, by a link that was
learnt from the API, or by content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from bridge.core.bookings import Booking, Event
from bridge.core.repair import SOURCE, Gist, gist

Kind = Literal["webhook", "uid"]
"""What calls a booking by a name: webhooks, or the read API."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name of a booking. `contact` is `contact()` of it while its other kind of name is not known, else "".

    `repaired_at` is the time of the latest repair that was told under this name.
    """

    id: str
    key: str
    kind: Kind
    contact: str = ""
    repaired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an event is about. `told` says that it is older than repairs of every booking it may mean."""

    key: str
    repaired_at: datetime | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class Register:
    """What is known of names before some events are looked at.

    `links` are pairs of a webhook's name and a uid, `states` by key what was told last, `mirrored` by
    contact what the mirror shows of its bookings, by uid.
    """

    names: Sequence[Name] = ()
    links: Sequence[tuple[str, str]] = ()
    states: Mapping[str, Gist] = field(default_factory=dict)
    mirrored: Mapping[str, Mapping[str, Gist]] = field(default_factory=dict)


def contact(booking: Booking) -> str:
    """A digest of the booking's type and who booked it, "" when nobody is named; 32 hex digits."""
    who = (booking.booker.email or booking.booker.name).casefold()
    said = f"{booking.type_id or booking.type_title}\n{who}"
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:32] if who else ""


def names_of(event: Event) -> dict[str, Kind]:
    """What an event calls its booking."""
    booking = event.booking
    own: dict[str, Kind] = {} if event.source == SOURCE and booking.uid else {booking.id: "webhook"}
    return {**own, **({booking.uid: "uid"} if booking.uid else {})}


class Identities:
    """Names events one after the other, in the order in which they take effect; `learnt` is to be kept."""

    def __init__(self, known: Register) -> None:
        self._names: dict[str, Name] = {}
        self._by_key: dict[str, dict[str, Name]] = {}
        self._by_contact: dict[str, set[str]] = {}  # keys
        for name in known.names:
            self._add(name)
        self._linked: dict[str, set[str]] = {}
        for webhook_id, uid in known.links:
            self._linked.setdefault(webhook_id, set()).add(uid)
            self._linked.setdefault(uid, set()).add(webhook_id)
        self._states = dict(known.states)
        self._mirrored = known.mirrored
        self.learnt: dict[str, Name] = {}

    def of(self, event: Event) -> Identity:
        """Whom the event is about; its names are learnt."""
        key = self.find(event)
        if key is None and (older := self._overtaken(event)):
            return Identity(event.booking.id, older, told=True)
        key = key or event.booking.id
        before = self._repaired_at(key)
        self._learn(event, key)
        self._states[key] = gist(event.booking)
        return Identity(key, before)

    def find(self, event: Event) -> str | None:
        """The key of the booking, None when it was never told; nothing is learnt."""
        called = {**names_of(event), event.booking.id: ""}
        linked = [other for name in called for other in sorted(self._linked.get(name, ()))]
        known = (self._names[name].key for name in (*called, *linked) if name in self._names)
        return next(known, None) or self._by_content(event)

    def _learn(self, event: Event, key: str) -> None:
        called = names_of(event)
        known = self._by_key.get(key, {}).values()
        kinds = {*called.values(), *(name.kind for name in known)}
        who = contact(event.booking) if len(kinds) == 1 else ""
        for name in [name for name in known if name.contact and not who]:
            self._keep(replace(name, contact=""))
        repaired_at = event.at if event.source == SOURCE else None
        for called_id, kind in called.items():
            old = self._names.get(called_id)
            if old is None:
                self._keep(Name(called_id, key, kind, who, repaired_at))
            elif repaired_at and (old.repaired_at is None or old.repaired_at < repaired_at):
                self._keep(replace(old, repaired_at=repaired_at))

    def _add(self, name: Name) -> None:
        self._names[name.id] = name
        self._by_key.setdefault(name.key, {})[name.id] = name
        if name.contact:
            self._by_contact.setdefault(name.contact, set()).add(name.key)

    def _keep(self, name: Name) -> None:
        self._add(name)
        self.learnt[name.id] = name

    def _repaired_at(self, key: str) -> datetime | None:
        times = (name.repaired_at for name in self._by_key.get(key, {}).values() if name.repaired_at)
        return max(times, default=None)

    def _lonely(self, event: Event) -> list[str]:
        """The keys of bookings like this one that have no name yet of the kind that the event gives."""
        who = contact(event.booking)
        kinds = set(names_of(event).values())
        uids = self._mirrored.get(who, {}) if event.source == SOURCE else {}

        def is_taken(name: Name) -> bool:
            return name.kind in kinds or name.id in self._linked or name.id in uids

        alike = self._by_contact.get(who, set()) if who else set()
        return sorted(key for key in alike if not any(map(is_taken, self._by_key[key].values())))

    def _by_content(self, event: Event) -> str | None:
        """The booking told with the same type, booker and times; of several that with these hosts."""
        said, lonely = gist(event.booking), self._lonely(event)
        alike = [key for key in lonely if self._is_same(event, key, said)]
        hosts = [key for key in alike if self._states[key].hosts == said.hosts]
        if alike or event.source != SOURCE:
            return next(iter(hosts or alike), None)
        return lonely[0] if len(lonely) == 1 and self._is_left(event, lonely[0]) else None

    def _is_same(self, event: Event, key: str, said: Gist) -> bool:
        state = self._states.get(key)
        if state is None or (state.start, state.end) != (said.start, said.end):
            return False
        repaired_at = self._repaired_at(key)
        is_later = repaired_at is None or event.at > repaired_at
        booked_again = state.is_off and not said.is_off and is_later and event.source != SOURCE
        return not booked_again

    def _is_left(self, event: Event, key: str) -> bool:
        """Whether the mirror has no other booking that the one told under this key could be."""
        state, mirrored = self._states.get(key), self._mirrored.get(contact(event.booking), {})
        others = [shown for uid, shown in mirrored.items() if uid != event.booking.uid]
        return state is None or all((shown.start, shown.end) != (state.start, state.end) for shown in others)

    def _overtaken(self, event: Event) -> datetime | None:
        """When a webhook is older than the repair of a booking it may mean: that repair's time."""
        if event.source == SOURCE:
            return None
        times = [self._repaired_at(key) for key in self._lonely(event)]
        return max((at for at in times if at and at >= event.at), default=None)
