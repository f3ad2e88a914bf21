"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bridge.tables import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "booking_names",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("contact", sa.String(length=32), nullable=False),
        sa.Column("repaired_at", Moment(timezone=True), nullable=True),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_names")),
    )
    op.create_index("ix_booking_names_contact", "booking_names", ["contact", "kind"], unique=False)
    op.create_index(op.f("ix_booking_names_key"), "booking_names", ["key"], unique=False)
    op.create_table(
        "sightings",
        sa.Column("uid", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.String(length=32), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_sightings")),
    )
    op.create_index(op.f("ix_sightings_contact"), "sightings", ["contact"], unique=False)
    op.create_index(
        "ix_sightings_pending",
        "sightings",
        ["since"],
        unique=False,
        sqlite_where=sa.text("pending"),
        postgresql_where=sa.text("pending"),
    )
    op.create_table(
        "repairs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("looked_at", Moment(timezone=True), nullable=True),
        sa.Column("holder", sa.String(length=40), nullable=False),
        sa.Column("lease_until", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repairs")),
    )
    op.create_table(
        "attempts",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.String(length=16), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("call", sa.String(length=40), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_delivery_id"), "attempts", ["delivery_id"], unique=False)
    op.create_table(
        "booking_hosts",
        sa.Column("host_id", sa.String(length=200), nullable=False),
        sa.Column("uid", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("host_id", "uid", name=op.f("pk_booking_hosts")),
    )
    op.create_index(op.f("ix_booking_hosts_uid"), "booking_hosts", ["uid"], unique=False)
    op.create_table(
        "booking_states",
        sa.Column("booking_id", sa.String(length=200), nullable=False),
        sa.Column("position", sa.String(length=60), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("booking_id", name=op.f("pk_booking_states")),
    )
    op.create_index(
        "ix_booking_states_to_erase",
        "booking_states",
        ["at"],
        unique=False,
        sqlite_where=sa.text("state IS NOT NULL"),
        postgresql_where=sa.text("state IS NOT NULL"),
    )
    op.create_table(
        "booking_types",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("duration", sa.Integer(), nullable=True),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_types")),
    )
    op.create_table(
        "bookings",
        sa.Column("uid", sa.String(length=200), nullable=False),
        sa.Column("type_id", sa.String(length=200), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("read_at", Moment(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("start", Moment(timezone=True), nullable=True),
        sa.Column("full_sequence", sa.Integer(), nullable=False),
        sa.Column("full_at", Moment(timezone=True), nullable=False),
        sa.Column("title_sequence", sa.Integer(), nullable=False),
        sa.Column("title_at", Moment(timezone=True), nullable=False),
        sa.Column("busy_sequence", sa.Integer(), nullable=False),
        sa.Column("busy_at", Moment(timezone=True), nullable=False),
        sa.Column("first_seen", Moment(timezone=True), nullable=False),
        sa.Column("closed_at", Moment(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_bookings")),
    )
    op.create_index(op.f("ix_bookings_revision"), "bookings", ["revision"], unique=False)
    op.create_index("ix_bookings_start", "bookings", ["start"], unique=False)
    op.create_index("ix_bookings_type_id", "bookings", ["type_id", "start"], unique=False)
    op.create_table(
        "cards",
        sa.Column("booking_id", sa.String(length=200), nullable=False),
        sa.Column("destination", sa.String(length=400), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("ts", sa.String(length=40), nullable=False),
        sa.Column("shown", sa.String(length=60), nullable=False),
        sa.Column("rule", sa.String(length=300), nullable=False),
        sa.Column("message", sa.String(length=300), nullable=True),
        sa.Column("mention", sa.String(length=400), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("booking_id", "destination", name=op.f("pk_cards")),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=True),
        sa.Column("received_at", Moment(timezone=True), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("booking_id", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.Column("rules_hash", sa.String(length=12), nullable=False),
        sa.Column("routed_at", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_booking_id", "events", ["booking_id", "seq"], unique=False)
    op.create_index(
        "ix_events_to_erase",
        "events",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("body IS NOT NULL"),
        postgresql_where=sa.text("body IS NOT NULL"),
    )
    op.create_index(
        "ix_events_to_route",
        "events",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("state = 'received'"),
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_table(
        "facts",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_facts")),
    )
    op.create_table(
        "farewells",
        sa.Column("host_id", sa.String(length=200), nullable=False),
        sa.Column("uid", sa.String(length=200), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("start", Moment(timezone=True), nullable=True),
        sa.Column("full_sequence", sa.Integer(), nullable=False),
        sa.Column("full_at", Moment(timezone=True), nullable=False),
        sa.Column("title_sequence", sa.Integer(), nullable=False),
        sa.Column("title_at", Moment(timezone=True), nullable=False),
        sa.Column("busy_sequence", sa.Integer(), nullable=False),
        sa.Column("busy_at", Moment(timezone=True), nullable=False),
        sa.Column("first_seen", Moment(timezone=True), nullable=False),
        sa.Column("closed_at", Moment(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host_id", "uid", name=op.f("pk_farewells")),
    )
    op.create_index(op.f("ix_farewells_revision"), "farewells", ["revision"], unique=False)
    op.create_index(op.f("ix_farewells_uid"), "farewells", ["uid"], unique=False)
    op.create_table(
        "feed_fetches",
        sa.Column("who", sa.String(length=210), nullable=False),
        sa.Column("detail", sa.String(length=10), nullable=False),
        sa.Column("alarm", sa.Integer(), nullable=False),
        sa.Column("client", sa.String(length=20), nullable=False),
        sa.Column("at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("who", "detail", "alarm", "client", name=op.f("pk_feed_fetches")),
    )
    op.create_table(
        "feeds",
        sa.Column("who", sa.String(length=210), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("who", name=op.f("pk_feeds")),
    )
    op.create_table(
        "gates",
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("open_at", Moment(timezone=True), nullable=True),
        sa.Column("full_at", Moment(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=True),
        sa.Column("trial", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_gates")),
    )
    op.create_table(
        "links",
        sa.Column("webhook_id", sa.String(length=200), nullable=False),
        sa.Column("uid", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_links")),
    )
    op.create_index(op.f("ix_links_uid"), "links", ["uid"], unique=False)
    op.create_table(
        "members",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
    )
    op.create_table(
        "mirror",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("feeds_revision", sa.BigInteger(), nullable=False),
        sa.Column("names_at", Moment(timezone=True), nullable=True),
        sa.Column("refreshed_at", Moment(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("problem_at", Moment(timezone=True), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("ids_differ", sa.Boolean(), nullable=False),
        sa.Column("holder", sa.String(length=40), nullable=False),
        sa.Column("lease_until", Moment(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mirror")),
    )
    op.create_table(
        "rules_files",
        sa.Column("hash", sa.String(length=12), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("since", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_rules_files")),
    )
    op.create_table(
        "slack_channels",
        sa.Column("destination", sa.String(length=400), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("checked_at", Moment(timezone=True), nullable=False),
        sa.Column("by_name", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_slack_channels")),
    )
    op.create_table(
        "slack_users",
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("slack", sa.String(length=40), nullable=False),
        sa.Column("checked_at", Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_slack_users")),
    )
    op.create_table(
        "deliveries",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=200), nullable=False),
        sa.Column("destination", sa.String(length=400), nullable=False),
        sa.Column("position", sa.String(length=60), nullable=False),
        sa.Column("rule", sa.String(length=300), nullable=False),
        sa.Column("rules_hash", sa.String(length=12), nullable=False),
        sa.Column("message", sa.String(length=300), nullable=True),
        sa.Column("mention", sa.String(length=400), nullable=False),
        sa.Column("style", sa.String(length=10), nullable=False),
        sa.Column("broadcast", sa.Boolean(), nullable=False),
        sa.Column("former", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("next_at", Moment(timezone=True), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("claimed_at", Moment(timezone=True), nullable=True),
        sa.Column("lease_until", Moment(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failing_since", Moment(timezone=True), nullable=True),
        sa.Column("unsure_since", Moment(timezone=True), nullable=True),
        sa.Column("plain", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("ts", sa.String(length=40), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(timezone=True), nullable=False),
        sa.Column("done_at", Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id_events")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("event_id", "destination", name=op.f("uq_deliveries_event_id_destination")),
        sa.UniqueConstraint("id", name=op.f("uq_deliveries_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_booking_id", "deliveries", ["booking_id"], unique=False)
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["next_at", "seq"],
        unique=False,
        sqlite_where=sa.text("state IN ('waiting', 'sending')"),
        postgresql_where=sa.text("state IN ('waiting', 'sending')"),
    )
    op.create_index(
        "ix_deliveries_lane",
        "deliveries",
        ["booking_id", "destination", "position"],
        unique=False,
        sqlite_where=sa.text("state IN ('waiting', 'sending')"),
        postgresql_where=sa.text("state IN ('waiting', 'sending')"),
    )
    op.create_index("ix_deliveries_message", "deliveries", ["channel", "ts"], unique=False)
    op.create_index(
        "ix_deliveries_dead",
        "deliveries",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_deliveries_dead",
        table_name="deliveries",
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.drop_index("ix_deliveries_message", table_name="deliveries")
    op.drop_index(
        "ix_deliveries_lane",
        table_name="deliveries",
        sqlite_where=sa.text("state IN ('waiting', 'sending')"),
        postgresql_where=sa.text("state IN ('waiting', 'sending')"),
    )
    op.drop_index(
        "ix_deliveries_due",
        table_name="deliveries",
        sqlite_where=sa.text("state IN ('waiting', 'sending')"),
        postgresql_where=sa.text("state IN ('waiting', 'sending')"),
    )
    op.drop_index("ix_deliveries_booking_id", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("slack_users")
    op.drop_table("rules_files")
    op.drop_table("slack_channels")
    op.drop_table("mirror")
    op.drop_table("members")
    op.drop_index(op.f("ix_links_uid"), table_name="links")
    op.drop_table("links")
    op.drop_table("gates")
    op.drop_table("feeds")
    op.drop_table("feed_fetches")
    op.drop_index(op.f("ix_farewells_uid"), table_name="farewells")
    op.drop_index(op.f("ix_farewells_revision"), table_name="farewells")
    op.drop_table("farewells")
    op.drop_table("facts")
    op.drop_index(
        "ix_events_to_route",
        table_name="events",
        sqlite_where=sa.text("state = 'received'"),
        postgresql_where=sa.text("state = 'received'"),
    )
    op.drop_index(
        "ix_events_to_erase",
        table_name="events",
        sqlite_where=sa.text("body IS NOT NULL"),
        postgresql_where=sa.text("body IS NOT NULL"),
    )
    op.drop_index("ix_events_booking_id", table_name="events")
    op.drop_table("events")
    op.drop_table("cards")
    op.drop_index("ix_bookings_type_id", table_name="bookings")
    op.drop_index("ix_bookings_start", table_name="bookings")
    op.drop_index(op.f("ix_bookings_revision"), table_name="bookings")
    op.drop_table("bookings")
    op.drop_table("booking_types")
    op.drop_index(
        "ix_booking_states_to_erase",
        table_name="booking_states",
        sqlite_where=sa.text("state IS NOT NULL"),
        postgresql_where=sa.text("state IS NOT NULL"),
    )
    op.drop_table("booking_states")
    op.drop_index(op.f("ix_booking_hosts_uid"), table_name="booking_hosts")
    op.drop_table("booking_hosts")
    op.drop_index(op.f("ix_attempts_delivery_id"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_table("repairs")
    op.drop_index(
        "ix_sightings_pending",
        table_name="sightings",
        sqlite_where=sa.text("pending"),
        postgresql_where=sa.text("pending"),
    )
    op.drop_index(op.f("ix_sightings_contact"), table_name="sightings")
    op.drop_table("sightings")
    op.drop_index(op.f("ix_booking_names_key"), table_name="booking_names")
    op.drop_index("ix_booking_names_contact", table_name="booking_names")
    op.drop_table("booking_names")
