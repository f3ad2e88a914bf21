"""What is known now: the rules in force, and the people and booking types as Copera last called them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.knowledge import Knowledge
from bridge.core.rules.rules import Rules


class CurrentKnowledge:
    """Called, it answers with what is known now: the same object until something changes.

    `named` is set when Copera told, now or before a restart, what people and types are called, or when
    nobody will.
    """

    def __init__(self, rules: Callable[[], Rules]) -> None:
        self._rules = rules
        self._members: tuple[Person, ...] = ()
        self._types: Mapping[str, BookingType] = {}
        self._knowledge = Knowledge(rules())
        self.named = asyncio.Event()

    def __call__(self) -> Knowledge:
        return self._knowledge

    def renew(self) -> None:
        """Take the rules in force and the names into use, as one whole."""
        rules = self._rules()
        directory = Directory(self._members, rules.people, is_known=self.named.is_set())
        self._knowledge = Knowledge(rules, directory, self._types)

    def name(self, members: Sequence[Person], types: Sequence[BookingType]) -> None:
        """Take what Copera calls people and booking types into use."""
        self._members, self._types = tuple(members), {one.id: one for one in types}
        if members or types:
            self.named.set()
        self.renew()

    def do_without_names(self) -> None:
        """Nobody will tell them."""
        self.named.set()
        self.renew()
