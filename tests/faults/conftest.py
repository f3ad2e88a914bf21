"""What the fault tests share."""

from __future__ import annotations

import pytest

from tests import postgres


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> str:
    """The address of an empty database on PostgreSQL."""
    return postgres_server.new_database()
