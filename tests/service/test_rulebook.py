"""Reading the rules file: what is no file is refused, never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.rules_file import Unreadable, read


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Opening one would block the watcher, and the end of the process, for ever."""
    pipe = tmp_path / "rules.yaml"
    os.mkfifo(pipe)
    with pytest.raises(Unreadable, match="it is not a file"):
        read(pipe)


def test_a_folder_and_nothing_are_named(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(Unreadable, match=why):
            read(path)
