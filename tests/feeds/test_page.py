"""The page at a feed's address: one button a calendar, readable anywhere, and nothing from elsewhere."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.core.feeds.feeds import ALL, Who
from bridge.core.feeds.tokens import DETAILS, Options
from tests.feeds.browser import Browser, browser, program
from tests.feeds.conftest import Site
from tests.feeds.serving import PUBLIC

SOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7*7 }}"


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """One kind of database: the page does not show which."""
    file: Path = request.getfixturevalue("migrated_file")
    return f"sqlite:///{shutil.copy(file, tmp_path / 'bridge.db')}"


class Links(HTMLParser):
    """The links of a page by their text, and all tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attrs = self.tags[-1] if self.tags else ("", {})
        if tag == "a":
            self.links.setdefault(data, attrs["href"] or "")


async def page(site: Site, who: Who = ALL, options: Options | None = None) -> str:
    response, body = await site.get(site.path(who, options))
    assert response.status == 200
    return body.decode()


async def book(site: Site, count: int = 7, name: str = "Zelda") -> Who:
    """So many bookings for one host, the first pending, the second cancelled."""
    calendar = site.workshop.stand_in.calendar
    site.workshop.stand_in.load(1)
    for number in range(count):
        booker = {"name": f"{name} {number}", "email": "zelda@example.com"}
        start = SOON + timedelta(days=number, hours=number)
        made = calendar.create("Intro Call", start=start, booker=booker, pending=number == 0)
        if number == 1:
            calendar.cancel(made.uid)
    await site.workshop.mirror.refresh()
    return Who("host", calendar.type("Intro Call").hosts[0])


async def test_buttons(site: Site) -> None:
    """Each calendar gets the form of the address that it takes."""
    who = await book(site)
    address = f"{PUBLIC}{site.path(who)}.ics"
    webcal = address.replace("https://", "webcal://")
    links = Links(await page(site, who)).links
    assert links["Apple Calendar"] == webcal
    assert parse_qs(urlsplit(links["Google Calendar"]).query)["cid"] == [webcal]
    assert "cid=webcal%3A%2F%2F" in links["Google Calendar"]
    for label, host in (("Outlook.com", "outlook.live.com"), ("Outlook (work)", "outlook.office.com")):
        parts = urlsplit(links[label])
        assert (parts.hostname, parts.path) == (host, "/calendar/0/addfromweb")
        assert parse_qs(parts.query)["url"] == [address]
        assert parse_qs(parts.query)["name"][0].startswith("Bookings: ")


async def test_headers_and_policy(site: Site) -> None:
    """Nobody keeps, finds, frames or follows the page, and nothing foreign runs on it."""
    who = await book(site)
    response, body = await site.get(site.path(who))
    headers = response.headers
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"].startswith("noindex")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    tags = Links(body.decode()).tags
    assert not [attrs for _, attrs in tags if any(name.startswith("on") or name == "style" for name in attrs)]
    assert not [tag for tag, attrs in tags if "src" in attrs or tag == "link"]


async def test_next_five(site: Site) -> None:
    """The next five that take place, the nearest first; the pending one says so."""
    text = await page(site, await book(site))
    assert re.findall(r"with Zelda (\d)", text) == ["0", "2", "3", "4", "5"]
    assert text.count("to be confirmed") == 1
    assert SOON.isoformat() in text


async def test_what_is_not_shown(site: Site) -> None:
    """The page tells no more than its calendar does."""
    who = await book(site)
    for detail in DETAILS:
        text = await page(site, who, Options(detail))
        assert ("Zelda" in text) == (detail == "full")
        assert ("Intro Call" in text) == (detail != "busy")


async def test_typed_text_is_text(site: Site) -> None:
    """Whatever a booker calls himself, it is a name."""
    text = await page(site, await book(site, name=EVIL))
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "{{ 7*7 }}" in text
    assert [tag for tag, _ in Links(text).tags].count("script") == 1


async def test_nothing_booked(site: Site) -> None:
    who = await book(site, count=0)
    site.workshop.clock.ahead = timedelta(days=100)
    text = await page(site, who)
    assert "Nothing is booked" in text
    assert "No calendar has fetched this address yet" in text


async def test_copera_is_down(site: Site) -> None:
    """The page tells that news are missing, and since when; not while all is well."""
    who = await book(site)
    assert "Copera was last read" not in await page(site, who)
    site.workshop.clock.ahead = timedelta(hours=3, minutes=1)
    text = await page(site, who)
    assert "Copera was last read 3 hours ago" in text
    assert "up to date within seconds" not in text
    await site.workshop.mirror.refresh()
    site.feeds.invalidate()
    assert "Copera was last read" not in await page(site, who)


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Browser]:
    if program() is None:
        pytest.skip("Chromium is not installed")
    async with browser(tmp_path) as opened:
        yield opened


async def test_in_a_browser(site: Site, tab: Browser, tmp_path: Path) -> None:
    """Times in the reader's zone, copying, no sideways scrolling on a phone, nothing refused or failed."""
    who = await book(site, name="Zoë-Zelda Featherstonehaugh-Cholmondeley " + "x" * 80)
    await site.get(site.path(who) + ".ics", {"User-Agent": "Google-Calendar-Importer"})
    url = str(site.server.make_url(site.path(who)))
    pictures = Path(os.environ.get("PICTURES", tmp_path))
    for name, dark, width in (("light", False, 1000), ("dark", True, 1000), ("phone", False, 360)):
        await tab.look(dark=dark, width=width, phone=width < 500, zone="Asia/Tokyo")
        await tab.open(url)
        await tab.picture(pictures / f"{name}.png")
        assert await tab.value("document.documentElement.scrollWidth <= innerWidth"), name
        paper = await tab.value("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(20, 21, 26)" if dark else "rgb(255, 255, 255)")
    shown = await tab.value("document.querySelector('time').textContent")
    tokyo = SOON + timedelta(hours=9)
    assert f"{int(f'{tokyo:%I}')}:{tokyo:%M}" in shown or f"{tokyo:%H:%M}" in shown
    assert "Asia/Tokyo" in await tab.value("document.getElementById('zone').textContent")
    await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
    await tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    await tab.value("document.getElementById('copy').click()")
    async with asyncio.timeout(120):
        while await tab.value("document.getElementById('copy').textContent") != "Copied":
            await asyncio.sleep(0.05)
    assert [line for line in tab.complaints if "favicon" not in line] == []


async def test_copying_without_https(site: Site, tab: Browser) -> None:
    """Where browsers give pages no clipboard, the button copies in the old way."""
    who = await book(site)
    await tab.open(str(site.server.make_url(site.path(who))))
    await tab.value("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await tab.value(
        "document.addEventListener('copy', () => {"
        " window.copied = address.value.slice(address.selectionStart, address.selectionEnd); })"
    )
    await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
    await tab.value("document.getElementById('copy').click()")
    async with asyncio.timeout(120):
        while await tab.value("document.getElementById('copy').textContent") != "Copied":
            await asyncio.sleep(0.05)
    assert await tab.value("window.copied") == f"{PUBLIC}{site.path(who)}.ics"


async def test_when_clocks_change(site: Site, tab: Browser) -> None:
    """A booking in the hour that comes twice: both its times, told apart."""
    site.workshop.stand_in.load(1)
    autumn = datetime(SOON.year + 1, 10, 31, 0, 30, tzinfo=UTC)
    autumn -= timedelta(days=(autumn.weekday() + 1) % 7)  # the last Sunday, on which Berlin's clocks go back
    owl = {"name": "Owl", "email": "owl@example.com"}
    site.workshop.stand_in.calendar.create("Intro Call", start=autumn, booker=owl, minutes=60)
    await site.workshop.mirror.refresh()
    site.workshop.clock.ahead = autumn - timedelta(days=1) - datetime.now(UTC)
    await tab.look(zone="Europe/Berlin")
    await tab.open(str(site.server.make_url(site.path())))
    times = await tab.value("[...document.querySelectorAll('li')].map(item => item.textContent)")
    [shown] = [text for text in times if "Owl" in text]
    assert "GMT+2" in shown
    assert "GMT+1" in shown


async def test_copying_leaves_the_keyboard_where_it_was(site: Site, tab: Browser) -> None:
    """Whoever pressed the button with a key can go on from there."""
    who = await book(site)
    await tab.open(str(site.server.make_url(site.path(who))))
    await tab.value("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
    await tab.value("document.getElementById('copy').focus()")
    for kind in ("keyDown", "keyUp"):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        await tab.call("Input.dispatchKeyEvent", type=kind, **key)
    async with asyncio.timeout(120):
        while await tab.value("document.getElementById('copy').textContent") != "Copied":
            await asyncio.sleep(0.05)
    assert await tab.value("document.activeElement.id") == "copy"


async def test_no_calendar_in_a_browser(site: Site, tab: Browser) -> None:
    """An address that is no more: words instead of JSON, and what to do."""
    await tab.open(str(site.server.make_url("/feeds/" + "a" * 40)))
    text = await tab.value("document.body.innerText")
    assert "There is no calendar at this address" in text
    assert "your administrator" in text
    assert not [line for line in tab.complaints if "favicon" not in line and "404" not in line]


async def test_in_a_browser_without_scripts(site: Site, tab: Browser) -> None:
    """All there but the button that needs a script; times are in UTC and say so."""
    who = await book(site)
    await tab.call("Emulation.setScriptExecutionDisabled", value=True)
    await tab.open(str(site.server.make_url(site.path(who))))
    text = await tab.value("document.body.innerText")
    for words in ("Google Calendar", "Times are in UTC.", "with Zelda 0", f"{SOON.hour:02}:00"):
        assert words in text
    assert await tab.value("getComputedStyle(document.getElementById('copy')).display") == "none"
