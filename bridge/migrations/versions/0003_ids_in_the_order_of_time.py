"""Events' ids begin with their time, so that what comes in together lies together in an index.

Each id keeps the beginning of its digest, so a repeat of what was stored before is still known (but for one
with numbers of 10**16 and more, which are digested in another form now). On PostgreSQL a trigger gives this
form to what replicas of the version before store meanwhile, who call it known; a later migration may drop it.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SQLITE: Final = """printf('%012x', coalesce(
    CAST(strftime('%s', substr({at}, 1, 19)) AS INTEGER) * 1000 + CAST(substr({at}, 21, 3) AS INTEGER), 0
)) || substr({id}, 1, 52)"""
_POSTGRESQL: Final = """lpad(to_hex(coalesce(
    CAST(extract(epoch FROM date_trunc('milliseconds', {at})) * 1000 AS bigint), 0
)), 12, '0') || substr({id}, 1, 52)"""
_KEY: Final = "fk_deliveries_event_id_events"
_FUNCTION: Final = f"""
CREATE FUNCTION events_id_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE ordered text := {_POSTGRESQL.format(at="NEW.at", id="NEW.id")};
BEGIN
    IF substr(NEW.id, 1, 12) <> substr(ordered, 1, 12) THEN NEW.id := ordered; END IF;
    RETURN NEW;
END $$
"""
_TRIGGER: Final = """
CREATE TRIGGER events_id_in_order BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_id_in_order()
"""


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    form = _SQLITE if is_sqlite else _POSTGRESQL
    ordered = form.format(at="events.at", id="events.id")
    if is_sqlite:
        op.execute("PRAGMA defer_foreign_keys = ON")  # until this transaction ends
    else:
        op.execute("LOCK TABLE deliveries, events, booking_states IN ACCESS EXCLUSIVE MODE")
        op.drop_constraint(_KEY, "deliveries")
    twin = f"EXISTS (SELECT 1 FROM events AS twin WHERE twin.id = {ordered})"  # noqa: S608 - names of ours
    is_old = f"substr(events.id, 1, 12) <> substr({ordered}, 1, 12) AND NOT {twin}"
    for table in ("deliveries", "booking_states"):
        mine = f"FROM events WHERE events.id = {table}.event_id AND {is_old}"
        change = f"UPDATE {table} SET event_id = (SELECT {ordered} {mine})"  # noqa: S608 - names of ours
        op.execute(f"{change} WHERE EXISTS (SELECT 1 {mine})")
    op.execute(f"UPDATE events SET id = {ordered} WHERE {is_old}")  # noqa: S608 - names of ours
    if not is_sqlite:
        op.create_foreign_key(_KEY, "deliveries", "events", ["event_id"], ["id"])
        op.execute(_FUNCTION)
        op.execute(_TRIGGER)


def downgrade() -> None:
    """The ids stay as they are: the ends of their digests are gone."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER events_id_in_order ON events")
        op.execute("DROP FUNCTION events_id_in_order")
