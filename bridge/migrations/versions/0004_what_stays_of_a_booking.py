"""What of a booking's state is not personal stays when the state is erased, and when the booking is over.

Both may be null, for replicas of the version before go on writing rows without them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bridge.tables import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("booking_states", sa.Column("gist", sa.Text()))
    op.add_column("booking_states", sa.Column("over_at", Moment(timezone=True)))


def downgrade() -> None:
    with op.batch_alter_table("booking_states") as table:
        table.drop_column("over_at")
        table.drop_column("gist")
