"""A mark for what installs the whole package anew: half a minute, and a package index is asked."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "image: installs the package as the Dockerfile does; needs an index")
