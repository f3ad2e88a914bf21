"""`booking-bridge feeds`: addresses, who fetched them, and new ones."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.core.bookings import BookingType, Person
from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import FeedTokens, Options
from bridge.database import open_database
from bridge.store.feeds import FeedStore, Fetch
from bridge.store.refreshes import Refreshes
from tests.cli.conftest import Run, run

__all__ = ["run"]

SECRET = "s" * 40
ANA, CALL = Who("host", "h1"), Who("type", "t1")
NOW = datetime(2026, 7, 8, 15, tzinfo=UTC)
EARLIER = NOW - timedelta(days=2)
FETCHES = (
    Fetch(ANA, Options(), "Google", NOW),
    Fetch(ANA, Options("busy", 15), "Google", EARLIER),
    Fetch(ANA, Options("busy", 15), "Apple", NOW),
)


def address(feed: Who, options: Options, generation: int = 0) -> str:
    return f"https://bridge.example.com/feeds/{FeedTokens(SECRET).token(feed.key, generation, options)}.ics"


async def _fill(url: str) -> None:
    database = await open_database(url)
    refreshes, store = Refreshes(database), FeedStore(database)
    await refreshes.prepare()
    await refreshes.save_people([Person("h1", "Ana Lima", "ana@example.com")], NOW)
    await refreshes.save_types([BookingType("t1", "Intro Call", "intro-call")], NOW)
    await store.register([ALL, ANA, CALL], NOW)
    await store.record(FETCHES)
    await database.close()


@pytest.fixture
def feeds(run: Run, migrated_file: Path, tmp_path: Path) -> Run:
    """Runs `feeds` in a workspace with a host and a booking type."""
    url = f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'bridge.db')}"
    asyncio.run(_fill(url))
    settings = {"BRIDGE_PUBLIC_URL": "https://bridge.example.com", "BRIDGE_SECRET": SECRET}

    def run_feeds(*arguments: str, token: str = "cp_pat_x") -> tuple[int, str, str]:
        environment = {"BRIDGE_DATABASE_URL": url, "COPERA_API_TOKEN": token, **settings}
        return run("feeds", *arguments, **environment)

    return run_feeds


def test_list(feeds: Run) -> None:
    """Each address with who fetched it and when, and a word on how often those calendars look."""
    status, said, _ = feeds("list")
    assert status == 0
    lines = said.splitlines()
    names = [line for line in lines if not line.startswith(" ")]
    assert names[:3] == ["All bookings", "Bookings: Ana Lima", "Bookings: Intro Call"]
    assert [line[:14] for line in names[3:]] == ["Google Calenda", "A Mac looks as"]
    of_ana = lines[lines.index("Bookings: Ana Lima") + 1 : lines.index("Bookings: Intro Call")]
    assert of_ana[0] == f"  {address(ANA, Options())}"
    assert of_ana[1].startswith("    last fetched by Google: ")
    assert of_ana[2] == f"  {address(ANA, Options('busy', 15))} (busy, reminder 15 min before)"
    assert sorted(line.split()[3] for line in of_ana[3:]) == ["Apple:", "Google:"]


def test_list_goes_by_names(feeds: Run, tmp_path: Path) -> None:
    """Not by ids, which tell nobody anything."""
    asyncio.run(_name(f"sqlite:///{tmp_path / 'bridge.db'}", {"h0": "Zoë", "h2": "ada", "h3": "Bo"}))
    names = [line for line in feeds("list")[1].splitlines() if line.startswith("Bookings: ")]
    assert names == [f"Bookings: {name}" for name in ("ada", "Ana Lima", "Bo", "Zoë", "Intro Call")]


async def _name(url: str, people: dict[str, str]) -> None:
    database = await open_database(url)
    named = [Person(host, name) for host, name in {"h1": "Ana Lima", **people}.items()]
    await Refreshes(database).save_people(named, NOW)
    await FeedStore(database).register([Who("host", host) for host in people], NOW)
    await database.close()


def test_url_without_a_token(feeds: Run) -> None:
    """The address is right, and nothing would be seen there."""
    assert feeds("url", "h1", token="") == (
        0,
        address(ANA, Options()) + "\n",
        "booking-bridge: it shows nothing until COPERA_API_TOKEN is set\n",
    )


def test_list_for_programs(feeds: Run) -> None:
    """One object an address; a client's fetch of one address says nothing of another."""
    rows = json.loads(feeds("list", "--json")[1])
    assert [(row["who"], row["detail"], row["alarm"]) for row in rows] == [
        ("all", "title", 0),
        ("host:h1", "full", 0),
        ("host:h1", "busy", 15),
        ("type:t1", "title", 0),
    ]
    assert rows[1]["fetched"] == {"Google": NOW.isoformat()}
    assert rows[2]["fetched"] == {"Google": EARLIER.isoformat(), "Apple": NOW.isoformat()}


@pytest.mark.parametrize(
    ("arguments", "feed", "options"),
    [
        (["ana@example.com"], ANA, Options()),
        (["h1", "--detail", "busy", "--alarm", "1h"], ANA, Options("busy", 60)),
        (["type:intro call"], CALL, Options("title")),
        (["all", "--detail", "full"], ALL, Options()),
    ],
)
def test_url(feeds: Run, arguments: list[str], feed: Who, options: Options) -> None:
    assert feeds("url", *arguments) == (0, address(feed, options) + "\n", "")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["anna@example.com"], 1, "did you mean 'ana@example.com'?"),
        (["type:other"], 1, "no booking type is called 'other'"),
        (["all", "--detail", "none"], 2, "expected one of full, title, busy"),
        (["all", "--alarm", "soon"], 2, "such as 15m"),
    ],
)
def test_what_cannot_be_told(feeds: Run, arguments: list[str], status: int, said: str) -> None:
    got, out, err = feeds("url", *arguments)
    assert (got, out) == (status, "")
    assert said in err


def test_rotate(feeds: Run) -> None:
    """All addresses of the feed are new, and nobody has fetched them; others stay."""
    status, said, _ = feeds("rotate", "h1")
    assert (status, said.splitlines()[-1]) == (0, address(ANA, Options(), 1))
    rows = json.loads(feeds("list", "--json")[1])
    assert [row["address"] for row in rows] == [
        address(ALL, Options("title")),
        address(ANA, Options(), 1),
        address(CALL, Options("title")),
    ]
    assert not any(row["fetched"] for row in rows)


def test_accept_is_for_a_suspicious_listing(feeds: Run, tmp_path: Path) -> None:
    status, _, said = feeds("accept")
    assert (status, said.strip()) == (
        1,
        "booking-bridge: nothing to do: the last refresh was accepted, or failed",
    )
    url = f"sqlite:///{tmp_path / 'bridge.db'}"
    asyncio.run(_fail(url, "suspicious: 30 of 40 known bookings were not listed; if …"))
    status, printed, _ = feeds("accept")
    assert status == 0
    assert "The last refresh was suspicious: 30 of 40 known bookings were not listed." in printed


async def _fail(url: str, problem: str) -> None:
    database = await open_database(url)
    await Refreshes(database).failed(NOW, problem)
    await database.close()
