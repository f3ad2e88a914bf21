"""Reading the rules file from disk, for the service, the commands and the doctor alike."""

from __future__ import annotations

from pathlib import Path

from bridge.core.bookings import Person
from bridge.core.rules.file import MOST_BYTES, load
from bridge.core.yaml_file.problems import RulesError


class Unreadable(Exception):
    """The rules file cannot be read; the message says why."""


def read(path: Path) -> bytes:
    """The file's bytes, one more than the largest allowed at most. Raises Unreadable."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise Unreadable(f"{path}: it is not a file")  # a pipe would be waited for for ever
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise Unreadable(f"{path}: {problem.strerror}") from None


def read_people(path: Path) -> tuple[Person, ...]:
    """The people that the rules file names; nobody when it is not in order. Raises Unreadable."""
    try:
        return load(read(path), name=path.name).rules.people
    except RulesError:
        return ()
