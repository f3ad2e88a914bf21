"""The bookings mirror and the feeds: what the read API told, and who fetches it.

A change takes the next number of `mirror.revision`, under that row's lock, and writes it on the rows
it touches; so whoever remembers a number can ask for what changed since.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from bridge.core.feeds.tokens import DETAILS
from bridge.tables import Moment, metadata


def _marks(*, nullable: bool = False) -> list[Column[Any]]:
    """SEQUENCE and LAST-MODIFIED at each level of detail."""
    marks: list[Column[Any]] = []
    for detail in DETAILS:
        marks.append(Column(f"{detail}_sequence", Integer, nullable=nullable))
        marks.append(Column(f"{detail}_at", Moment, nullable=nullable))
    return marks


def _entry() -> tuple[Column[Any], ...]:
    """What an entry consists of: the state and the marks."""
    return (
        Column("state", Text, nullable=False),  # JSON, as core.reading writes it
        Column("start", Moment),
        *_marks(),
        Column("first_seen", Moment, nullable=False),
        Column("closed_at", Moment),  # cancelled, declined or gone since
        Column("revision", BigInteger, nullable=False, index=True),
    )


bookings = Table(
    "bookings",
    metadata,
    Column("uid", String(200), primary_key=True),  # the read API's
    Column("type_id", String(200), nullable=False),
    Column("live", Boolean, nullable=False),  # neither cancelled nor declined
    Column("shown", Boolean, nullable=False),  # calendars held it, or could have
    Column("digest", String(32), nullable=False),  # of the API's answer; "" when a webhook told the state
    Column("read_at", Moment, nullable=False),  # when that answer was asked for
    *_entry(),  # with the marks of feeds that show several hosts' bookings
)
Index("ix_bookings_type_id", bookings.c.type_id, bookings.c.start)
Index("ix_bookings_start", bookings.c.start)

booking_hosts = Table(
    "booking_hosts",
    metadata,
    Column("host_id", String(200), primary_key=True),
    Column("uid", String(200), primary_key=True, index=True),
    *_marks(nullable=True),  # of this host's own feed; the booking's, where a replica of 0001 wrote the row
)

farewells = Table(
    "farewells",
    metadata,
    Column("host_id", String(200), primary_key=True),  # who lost the booking
    Column("uid", String(200), primary_key=True, index=True),
    *_entry(),
)

links = Table(
    "links",
    metadata,
    Column("webhook_id", String(200), primary_key=True),  # what webhooks call a booking
    Column("uid", String(200), nullable=False, index=True),
)

booking_types = Table(
    "booking_types",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("title", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("color", Text, nullable=False),
    Column("duration", Integer),
    Column("hidden", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
)

mirror = Table(
    "mirror",
    metadata,
    Column("id", Integer, primary_key=True),  # one row, 1
    Column("revision", BigInteger, nullable=False),  # of bookings and names
    Column("feeds_revision", BigInteger, nullable=False),  # of feeds
    Column("names_at", Moment),  # when a member or a type last changed, or which type a booking is of
    Column("refreshed_at", Moment),  # the last refresh that was accepted
    Column("problem", Text, nullable=False),  # of the last refresh, "" when it was accepted
    Column("problem_at", Moment),
    Column("size", Integer, nullable=False),  # bookings in the last listing
    Column("ids_differ", Boolean, nullable=False),  # learnt: webhooks' ids are not the API's
    Column("holder", String(40), nullable=False),  # who refreshes, until when
    Column("lease_until", Moment),
)

feeds = Table(
    "feeds",
    metadata,
    Column("who", String(210), primary_key=True),  # host:ID, type:ID, all
    Column("generation", Integer, nullable=False),  # raised to revoke the addresses
    Column("since", Moment, nullable=False),
)

feed_fetches = Table(
    "feed_fetches",
    metadata,
    Column("who", String(210), primary_key=True),
    Column("detail", String(10), primary_key=True),
    Column("alarm", Integer, primary_key=True),  # minutes
    Column("client", String(20), primary_key=True),
    Column("at", Moment, nullable=False),
)
