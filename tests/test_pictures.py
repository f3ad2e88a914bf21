"""The README's pictures show what the bridge really posts."""

from __future__ import annotations

import pytest

from tests import pictures


@pytest.mark.parametrize("name", sorted(pictures.pictures()))
def test_a_picture_is_current(name: str) -> None:
    """Write them anew with `python -m tests.pictures` when messages change."""
    assert (pictures.ROOT / "docs" / name).read_text("utf-8") == pictures.pictures()[name]
