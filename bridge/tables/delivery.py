"""Events as they came in, and what became of them: deliveries, cards, gates.

An event is stored before it is acknowledged and routed once; routing writes its deliveries, one for
each destination. A delivery is waiting, sending (under a lease), sent, skipped or dead.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bridge.tables import Moment, metadata

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),  # the order of arrival
    Column("id", String(64), nullable=False, unique=True),  # of its time and a digest of the signed document
    Column("name", String(100), nullable=False),
    Column("at", Moment),  # Copera's createdAt
    Column("received_at", Moment, nullable=False),
    Column("version", String(20), nullable=False),
    Column("source", String(20), nullable=False),  # webhook, repair
    Column("booking_id", String(200), nullable=False),
    Column("state", String(20), nullable=False),  # received, routed, superseded, unrecognised
    Column("problem", Text, nullable=False, default=""),
    Column("body", LargeBinary),  # as it was signed; erased after the retention
    Column("previous", Text),  # the booking as it was known before, JSON; erased likewise
    Column("rules_hash", String(12), nullable=False, default=""),
    Column("routed_at", Moment),
    sqlite_autoincrement=True,
)
Index("ix_events_booking_id", events.c.booking_id, events.c.seq)
Index(
    "ix_events_to_erase",
    events.c.received_at,
    sqlite_where=text("body IS NOT NULL"),
    postgresql_where=text("body IS NOT NULL"),
)
Index(
    "ix_events_to_route",
    events.c.seq,
    sqlite_where=text("state = 'received'"),
    postgresql_where=text("state = 'received'"),
)

rules_files = Table(
    "rules_files",
    metadata,
    Column("hash", String(12), primary_key=True),
    Column("text", LargeBinary, nullable=False),  # as it was in force, to say later why an event went where
    Column("since", Moment, nullable=False),
)

booking_states = Table(
    "booking_states",
    metadata,
    Column("booking_id", String(200), primary_key=True),
    Column("position", String(60), nullable=False),  # of the event that made this state
    Column("event_id", String(64), nullable=False),
    Column("name", String(100), nullable=False),  # that event's name and time
    Column("at", Moment, nullable=False),
    Column("source", String(20), nullable=False),
    Column("state", Text),  # the booking, JSON; erased after the retention
    Column("previous", Text),  # the booking before that event, JSON; erased likewise
    Column("gist", Text),  # what of an erased state is not personal: status, times, hosts' ids, JSON
    Column("over_at", Moment),  # when the booking ends
)
Index(
    "ix_booking_states_to_erase",
    booking_states.c.at,
    sqlite_where=text("state IS NOT NULL"),
    postgresql_where=text("state IS NOT NULL"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(16), nullable=False, unique=True),  # of event and destination
    Column("event_id", String(64), ForeignKey("events.id"), nullable=False),
    Column("booking_id", String(200), nullable=False),
    Column("destination", String(400), nullable=False),
    Column("position", String(60), nullable=False),  # the event's place in its booking's order
    Column("rule", String(300), nullable=False),
    Column("rules_hash", String(12), nullable=False, default=""),
    Column("message", String(300)),
    Column("mention", String(400), nullable=False),
    Column("style", String(10), nullable=False),  # card, post, refresh (an edit and nothing else)
    Column("broadcast", Boolean, nullable=False, default=False),
    Column("former", Boolean, nullable=False, default=False),  # to a host who lost the booking
    Column("state", String(10), nullable=False),  # waiting, sending, sent, skipped, dead
    Column("next_at", Moment, nullable=False),
    Column("owner", String(40), nullable=False, default=""),  # who is sending it, until when
    Column("claimed_at", Moment),
    Column("lease_until", Moment),
    Column("attempts", Integer, nullable=False, default=0),
    Column("failing_since", Moment),
    Column("unsure_since", Moment),  # a call began then and its outcome is not known
    Column("plain", Boolean, nullable=False, default=False),  # Slack refused the blocks
    Column("channel", String(40), nullable=False, default=""),
    Column("ts", String(40), nullable=False, default=""),
    Column("error", String(200), nullable=False, default=""),
    Column("problem", Text, nullable=False, default=""),  # in words, with the remedy
    Column("created_at", Moment, nullable=False),
    Column("done_at", Moment),
    UniqueConstraint("event_id", "destination"),
    sqlite_autoincrement=True,
)
_ACTIVE = text("state IN ('waiting', 'sending')")
Index(
    "ix_deliveries_lane",
    deliveries.c.booking_id,
    deliveries.c.destination,
    deliveries.c.position,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)
Index(
    "ix_deliveries_due",
    deliveries.c.next_at,
    deliveries.c.seq,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)
Index(
    "ix_deliveries_dead",
    deliveries.c.seq,
    sqlite_where=text("state = 'dead'"),
    postgresql_where=text("state = 'dead'"),
)
Index("ix_deliveries_booking_id", deliveries.c.booking_id)
Index("ix_deliveries_message", deliveries.c.channel, deliveries.c.ts)

attempts = Table(
    "attempts",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("delivery_id", String(16), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("call", String(40), nullable=False),  # Slack's method, or webhook
    Column("outcome", String(200), nullable=False),  # ok, or Slack's error
    Column("milliseconds", Integer, nullable=False),
)

cards = Table(
    "cards",
    metadata,
    Column("booking_id", String(200), primary_key=True),
    Column("destination", String(400), primary_key=True),
    Column("channel", String(40), nullable=False),
    Column("ts", String(40), nullable=False),
    Column("shown", String(60), nullable=False),  # position of the event it shows
    Column("rule", String(300), nullable=False),
    Column("message", String(300)),
    Column("mention", String(400), nullable=False),
    Column("closed", Boolean, nullable=False, default=False),  # its host lost the booking
)

gates = Table(
    "gates",
    metadata,
    Column("key", String(400), primary_key=True),  # a destination, "workspace", "edits", "token"
    Column("open_at", Moment),  # nothing passes before
    Column("full_at", Moment),  # pacing: when the allowance is whole again
    Column("failures", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    Column("since", Moment),
    Column("trial", Boolean, nullable=False, default=False),  # the token answers again: one may try
)

slack_users = Table(
    "slack_users",
    metadata,
    Column("email", String(320), primary_key=True),
    Column("slack", String(40), nullable=False),  # "" when Slack knows nobody by it
    Column("checked_at", Moment, nullable=False),
)

slack_channels = Table(
    "slack_channels",
    metadata,
    Column("destination", String(400), primary_key=True),
    Column("channel", String(40), nullable=False),
    Column("checked_at", Moment, nullable=False),
    Column("by_name", Boolean, nullable=False, default=False),  # Slack takes the name too
)

facts = Table(
    "facts",
    metadata,
    Column("key", String(200), primary_key=True),  # what replicas agree on beside the rest
    Column("value", Text, nullable=False),
    Column("at", Moment, nullable=False),
)
