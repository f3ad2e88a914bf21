"""Alembic's entry: runs the migrations on the connection that `bridge.database` hands over."""

from __future__ import annotations

from alembic import context

from bridge.tables import metadata
from bridge.tables import delivery as _delivery

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
