"""What all tests share: the two databases, and a service between the stand-ins."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import structlog
import uvloop
from coverage import Coverage
from hypothesis import settings

from bridge.database import Database, open_database
from tests import postgres

settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=1_000, deadline=None)
settings.load_profile("quick")  # the other: make test ARGS=--hypothesis-profile=thorough


_MEMORY = Path("/dev/shm")
_STORIES = {"feeds", "mirror", "repair", "service", "web"}
_ENOUGH = 4 * 2**30  # bytes: some two hundred databases of PostgreSQL's, eight million each, and its logs


def pytest_configure() -> None:
    """Keep the files of tests in memory where there is room: elsewhere SQLite's commits wait for the disk.

    PostgreSQL's, too: a new database is a copy of a template, which took twice the processor time on a disk.
    No test takes the power away, and what a killed process wrote is in the file in either place.
    """
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    early = Coverage.current() if "PYTEST_XDIST_WORKER" in os.environ else None
    if early:  # pytest-cov starts a second one in a worker, and `no_cover` would go back to this one
        early.stop()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that `serve` runs on. asyncio's own is Python: slower, and slower still when it is traced."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def logs_of_one_test() -> Iterator[None]:
    """What a test sets up for its logs ends with it: a logger that kept it could not be captured."""
    configure = structlog.configure

    def forgettable(**given: Any) -> None:
        configure(**given | {"cache_logger_on_first_use": False})

    with patch("structlog.configure", forgettable):
        yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tracing doubles the time that a test takes: what goes through the same code again is not traced.

    A property tries many values of what cases cover already. A story of several parts of the service differs
    from one database, or one trouble, to another by a few lines, which the tests of the parts trace.
    """
    for item in items:
        turns = getattr(getattr(item, "callspec", None), "indices", {})
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_property or (any(turns.values()) and _STORIES & set(item.path.parts)):
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What modules do when they are imported is traced by one worker: all of them import the same."""
    is_one_more = os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0"
    tracing = Coverage.current() if is_one_more else None
    if tracing:
        tracing.stop()
    yield
    if tracing:
        tracing.start()


def pytest_collection_finish() -> None:
    """What was imported lives as long as the process: no collection of garbage is to look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL that the tests start themselves; without one they skip, but not in CI."""
    if postgres.programs() is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL's server programs are not installed")
        pytest.skip("PostgreSQL is not installed")
    with postgres.running() as server:
        asyncio.run(_migrate(server.url("template1")))  # every new database is a copy of it
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "bridge.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


async def _migrate(url: str) -> None:
    await (await open_database(url)).close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        file: Path = request.getfixturevalue("migrated_file")
        return f"sqlite:///{shutil.copy(file, tmp_path / 'bridge.db')}"
    server: postgres.Server = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> str:
    """The address of an empty database on PostgreSQL."""
    return postgres_server.new_database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, migrated database."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()
