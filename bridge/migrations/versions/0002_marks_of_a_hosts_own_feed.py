"""Marks of a host's own feed, beside those of feeds that show several hosts' bookings.

They begin where the marks that both had in common stand, so no calendar sees a SEQUENCE rise or fall.
They may be null, for replicas of the version before go on writing rows without them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from bridge.tables import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MARKS = [f"{detail}_{part}" for detail in ("full", "title", "busy") for part in ("sequence", "at")]


def upgrade() -> None:
    for name in _MARKS:
        kind: sa.Column[Any] = (
            sa.Column(name, Moment(timezone=True)) if name.endswith("_at") else sa.Column(name, sa.Integer())
        )
        op.add_column("booking_hosts", kind)
    hosts = sa.table("booking_hosts", *map(sa.column, ["uid", *_MARKS]))
    bookings = sa.table("bookings", *map(sa.column, ["uid", *_MARKS]))
    mine = bookings.c.uid == hosts.c.uid
    op.execute(sa.delete(hosts).where(~sa.exists(sa.select(bookings.c.uid).where(mine))))
    common = {name: sa.select(bookings.c[name]).where(mine).scalar_subquery() for name in _MARKS}
    op.execute(sa.update(hosts).values(common))


def downgrade() -> None:
    with op.batch_alter_table("booking_hosts") as table:
        for name in _MARKS:
            table.drop_column(name)
