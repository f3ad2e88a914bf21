"""What goes wrong with a database, in words that hold no address and no value."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_BUGS: Final = (IntegrityError, ProgrammingError, DataError)


class Unavailable(Exception):
    """The database cannot be used now; the message says why, without addresses or values."""


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Troubles of the database become Unavailable; our own mistakes stay what they are."""
    try:
        yield
    except _BUGS:
        raise
    except DBAPIError as problem:
        raise Unavailable(reason(problem.orig)) from problem
    except (sqlite3.Error, PoolTimeout, OSError, TimeoutError) as problem:
        raise Unavailable(reason(problem)) from problem


def reason(problem: BaseException | None) -> str:
    """What a driver's error says, in one line of at most 200 characters."""
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, OSError):
        number = re.search(r"\[Errno (\d+)\]", str(problem))  # the first of several addresses' too
        if number:
            return os.strerror(int(number[1]))
        if problem.strerror:
            return problem.strerror
    said = str(problem).splitlines()[0] if problem and str(problem) else type(problem).__name__
    if "cannot switch to state" in said:  # asyncpg's words
        return "a connection broke off in the middle of a statement"
    return said.removeprefix("<class '").split("'>: ")[-1][:200]
