"""Real calendar clients subscribe over loopback: vdirsyncer and khal, and Thunderbird's parser.

Each sees every event at the right time, a reschedule as an event moved, and a cancellation. vdirsyncer
tells events of http storages apart by their content, not by UID: to it a moved event is another one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.core.feeds.calendar import View, finish, summary, uid
from bridge.core.feeds.entries import Entry, is_off
from bridge.core.feeds.feeds import ALL
from bridge.core.feeds.tokens import Options
from tests.feeds.conftest import Site

pytestmark = pytest.mark.no_cover  # what it is about runs in processes of its own

BIN = Path(sys.executable).parent
SOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
BOOKER = {"name": "Zelda Müller, PhD", "email": "zelda@example.com"}
FORM = "%Y-%m-%dT%H:%M"
SCRIPT = """
const ICAL = require("ical.js");
let text = "";
process.stdin.on("data", (part) => { text += part; });
process.stdin.on("end", () => {
  const calendar = new ICAL.Component(ICAL.parse(text));
  const events = calendar.getAllSubcomponents("vevent").map((part) => {
    const event = new ICAL.Event(part);
    return [event.uid, event.startDate.toJSDate().toISOString(), event.endDate.toJSDate().toISOString(),
            part.getFirstPropertyValue("status"), event.summary, event.sequence];
  });
  console.log(JSON.stringify(events));
});
"""


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One kind of database: the clients do not see which."""
    file: Path = request.getfixturevalue("migrated_file")
    return f"sqlite:///{shutil.copy(file, tmp_path / 'bridge.db')}"


async def run(*command: str, data: bytes = b"", **env: str) -> str:
    """What a program prints; AssertionError with what it complained of when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TZ": "UTC", **env},
    )
    out, err = await process.communicate(data)
    assert process.returncode == 0, err.decode()
    return out.decode()


class Subscriber:
    """vdirsyncer with an http storage that is kept in files, and khal that shows them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.files = folder / "calendar"
        self._sync = folder / "vdirsyncer"
        self._sync.write_text(
            f"""
[general]
status_path = "{folder}/status/"
[pair feed]
a = "local"
b = "remote"
collections = null
conflict_resolution = "b wins"
[storage local]
type = "filesystem"
path = "{self.files}"
fileext = ".ics"
[storage remote]
type = "http"
url = "{url}"
"""
        )
        self._khal = folder / "khal"
        self._khal.write_text(
            f"""
[calendars]
[[feed]]
path = {self.files}
[locale]
local_timezone = UTC
default_timezone = UTC
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = {FORM}
longdatetimeformat = {FORM}
[sqlite]
path = {folder}/khal.db
"""
        )

    async def sync(self) -> None:
        await run(f"{BIN}/vdirsyncer", "-c", str(self._sync), "discover", data=b"y\ny\n")
        await run(f"{BIN}/vdirsyncer", "-c", str(self._sync), "sync")

    async def shown(self) -> list[tuple[str, ...]]:
        """What khal shows of every event: start, end, title, and whether it is cancelled.

        Once each: khal lists what crosses midnight on both days.
        """
        form = "{start-long-full}\t{end-long-full}\t{title}\t{status}"
        first = (datetime.now(UTC) - timedelta(days=91)).strftime("%Y-%m-%d")
        lines = await run(
            *(f"{BIN}/khal", "-c", str(self._khal), "list", "--once", "--day-format", ""),
            *("--format", form, first, "400d"),
        )
        parts = (line.split("\t") for line in lines.splitlines() if line)
        return sorted((*part[:3], "CANCELLED" * (part[3].strip() == "CANCELLED")) for part in parts)


def expected(entries: Iterable[Entry], view: View) -> list[tuple[str, ...]]:
    """The same, of what is booked."""
    return sorted(
        (
            entry.booking.start.strftime(FORM),
            (finish(entry.booking) or entry.booking.start).strftime(FORM),
            summary(entry.booking, view),
            "CANCELLED" * is_off(entry.booking),
        )
        for entry in entries
        if entry.booking.start is not None
    )


async def test_vdirsyncer_and_khal(site: Site, tmp_path: Path) -> None:
    """Subscribed once, synced again after changes: khal shows what is booked, and nothing twice."""
    calendar = site.workshop.stand_in.calendar
    site.workshop.stand_in.load(40)
    moved, cancelled = (
        calendar.create("Intro Call", start=SOON + timedelta(hours=n), booker=BOOKER).uid for n in (0, 1)
    )
    await site.workshop.mirror.refresh()
    subscriber = Subscriber(tmp_path, str(site.server.make_url(site.path() + ".ics")))
    await subscriber.sync()
    assert await subscriber.shown() == expected((await site.workshop.feed()).values(), site.view())
    files = {path: path.read_bytes() for path in subscriber.files.iterdir()}

    await subscriber.sync()
    assert {path: path.read_bytes() for path in subscriber.files.iterdir()} == files

    calendar.reschedule(moved, SOON + timedelta(days=5))
    calendar.cancel(cancelled)
    await site.workshop.mirror.refresh()
    site.feeds.invalidate()
    await subscriber.sync()
    shown = await subscriber.shown()
    assert shown == expected((await site.workshop.feed()).values(), site.view())
    assert len(shown) == len(files)
    kept = [path for path in files if path.exists()]
    assert len(kept) == len(files) - 2


def node_path() -> str | None:
    """Where Node finds ical.js, None where there is no Node or no ical.js."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False).stdout.strip()
    found = subprocess.run(
        [node, "-e", 'require("ical.js")'],
        env={**os.environ, "NODE_PATH": root},
        capture_output=True,
        check=False,
    )
    return root if found.returncode == 0 else None


async def test_ical_js(site: Site) -> None:
    """Thunderbird's parser reads the same times, titles, states and revisions."""
    path = node_path()
    if path is None:
        pytest.skip("Node with ical.js is not installed")
    calendar = site.workshop.stand_in.calendar
    site.workshop.stand_in.load(40)
    moved = calendar.create("Intro Call", start=SOON, booker=BOOKER).uid
    await site.workshop.mirror.refresh()
    calendar.reschedule(moved, SOON + timedelta(days=5))
    await site.workshop.mirror.refresh()
    read = json.loads(
        await run("node", "-e", SCRIPT, data=await site.calendar(ALL, Options("full", 15)), NODE_PATH=path)
    )
    assert len(read) == len({event[0] for event in read})
    seen = sorted((e[1][:16], e[2][:16], e[4], "CANCELLED" * (e[3] == "CANCELLED")) for e in read)
    assert seen == expected((await site.workshop.feed()).values(), site.view())
    assert [event[5] for event in read if event[0] == uid(moved)] == [1]
