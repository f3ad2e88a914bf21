"""What a repair needs to know: under which names bookings were told, and what the mirror showed of them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, text

from bridge.tables import Moment, metadata

booking_names = Table(
    "booking_names",
    metadata,
    Column("id", String(200), primary_key=True),  # what a webhook or the read API calls a booking
    Column("key", String(200), nullable=False, index=True),  # what the bridge does: the first of its names
    Column("kind", String(10), nullable=False),  # webhook, uid
    Column("contact", String(32), nullable=False),  # digest of type and booker while another name is missing
    Column("repaired_at", Moment),  # the latest repair told under this name
    Column("at", Moment, nullable=False),
)
Index("ix_booking_names_contact", booking_names.c.contact, booking_names.c.kind)

sightings = Table(
    "sightings",
    metadata,
    Column("uid", String(200), primary_key=True),
    Column("contact", String(32), nullable=False, index=True),
    Column("seen", Text, nullable=False),  # the gist of what the mirror shows, JSON; nothing personal
    Column("since", Moment, nullable=False),  # when the read API was asked that first showed it
    Column("told", Text),  # the gist that was told, or found at first; NULL when neither
    Column("pending", Boolean, nullable=False),  # it may still have to be told
)
PENDING = text("pending")
Index("ix_sightings_pending", sightings.c.since, sqlite_where=PENDING, postgresql_where=PENDING)

repairs = Table(
    "repairs",
    metadata,
    Column("id", Integer, primary_key=True),  # one row, 1
    Column("looked_at", Moment),  # the latest refresh of the mirror that was compared
    Column("holder", String(40), nullable=False),  # who repairs, until when
    Column("lease_until", Moment),
)
