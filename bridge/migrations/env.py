"""Alembic's entry: runs the migrations on the connection that `bridge.database` hands over."""

from __future__ import annotations

from alembic import context

from bridge.tables import delivery, metadata, mirror, repair  # noqa: F401 - importing them fills the metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, user_module_prefix="")
with context.begin_transaction():
    context.run_migrations()
