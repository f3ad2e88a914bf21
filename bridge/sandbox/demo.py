"""The demo: the real service on a throw-away database, between the two stand-ins, for a short story."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from icalendar import Calendar
from rich.console import Console

from bridge.app import Service
from bridge.core.feeds.feeds import Who
from bridge.core.feeds.tokens import FeedTokens, Options
from bridge.sandbox import story
from bridge.sandbox.copera import CoperaStandIn
from bridge.sandbox.screen import reader_of, show
from bridge.sandbox.slack import SlackStandIn
from bridge.sandbox.slack_records import Message
from bridge.sandbox.story_cast import CHANNELS, HOSTS, SUPPORT
from bridge.settings import Settings
from bridge.store.feeds import FeedStore

_PATIENCE = 30.0
"""Seconds without anything new after which the messages and feed entries still missing are given up."""


async def run(*, once: bool, console: Console | None = None) -> int:
    """Play the story, as `_run` does; told to end before, tidy up as after Ctrl-C."""
    loop, playing = asyncio.get_running_loop(), asyncio.ensure_future(_run(once=once, console=console))
    ended: list[int] = []

    def end(number: int) -> None:
        ended.append(number)
        playing.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    try:
        return await playing
    except asyncio.CancelledError:
        if not ended:
            raise
        return 128 + ended[0]


async def _run(*, once: bool, console: Console | None = None) -> int:
    """Play the story; with `once` fast, and 0 only when everything expected was really seen."""
    screen = console or Console(highlight=False)
    copera, slack = CoperaStandIn(), SlackStandIn()
    await copera.start()
    await slack.start()
    story.populate(copera, slack)
    with TemporaryDirectory(prefix="booking-bridge-") as folder:
        settings = _settings(copera, slack, Path(folder))
        service = Service(settings)
        await service.start()
        try:
            addresses = await _feed_addresses(service, settings)
            return await _play(service, addresses, copera, slack, screen, once=once)
        finally:
            await service.close()
            await copera.stop()
            await slack.stop()


def _settings(copera: CoperaStandIn, slack: SlackStandIn, folder: Path) -> Settings:
    port = _free_port()
    return Settings.model_validate(
        {
            "copera_api_url": copera.api_url,
            "copera_api_token": copera.token,
            "copera_webhook_secrets": "whsec-sandbox",
            "slack_bot_token": slack.token,
            "slack_api_url": slack.api_url,
            "bridge_rules": Path(__file__).with_name("demo.yaml"),
            "bridge_database_url": f"sqlite:///{folder / 'bridge.db'}",
            "bridge_host": "127.0.0.1",
            "bridge_port": port,
            "bridge_public_url": f"http://127.0.0.1:{port}",
            "bridge_secret": secrets.token_hex(32),
            "bridge_sync_interval": 5,
        }
    )


async def _feed_addresses(service: Service, settings: Settings) -> dict[str, str]:
    """Each host's calendar address, by the host's id."""
    assert settings.bridge_secret is not None
    tokens, store = FeedTokens(settings.bridge_secret.get_secret_value()), FeedStore(service.database)
    feeds = {host.id: Who("host", host.id) for host in HOSTS}
    await store.register(feeds.values(), datetime.now(UTC))
    generations = await store.generations()
    return {
        host_id: f"{service.url}/feeds/{tokens.token(feed.key, generations[feed], Options())}.ics"
        for host_id, feed in feeds.items()
    }


async def _play(
    service: Service,
    addresses: Mapping[str, str],
    copera: CoperaStandIn,
    slack: SlackStandIn,
    screen: Console,
    *,
    once: bool,
) -> int:
    reader = reader_of(slack, datetime.now().astimezone().tzinfo or UTC)

    def print_message(message: Message) -> None:
        screen.print(show(message, reader))

    slack.on_message = print_message
    copera.subscribe(service.url + "/webhooks/copera")
    screen.print(f"The bridge listens on {service.url}. Copera and Slack are stand-ins on this machine.\n")
    today = datetime.now(UTC)
    await story.play(copera, 0.02 if once else 1.0, today)
    expected = story.expected(today)
    differences = await settle(lambda: _differences(service, addresses, slack, expected), _PATIENCE)
    screen.print("\nEach host has a calendar address for Google, Apple and Outlook:")
    for host in HOSTS:
        screen.print(f"  {host.name:14} {addresses[host.id]}", soft_wrap=True)
    for line in differences:
        screen.print(f"not as it should be: {line}")
    if once:
        said = (
            "Everything arrived."
            if not differences
            else f"{len(differences)} things are not as they should be."
        )
        screen.print(f"\n{said}")
        return 1 if differences else 0
    screen.print("\nOpen an address without .ics in a browser. Ctrl-C ends the demo.")
    await _until_interrupted()
    return 0


async def settle(look: Callable[[], Awaitable[list[str]]], patience: float) -> list[str]:
    """Look until nothing is missing, or nothing has changed for so many seconds; return what is missing.

    A machine that is busy takes long, and all the same gets there.
    """
    clock = asyncio.get_running_loop().time
    before, changed = list[str](), clock()
    while missing := await look():
        if missing != before:
            before, changed = missing, clock()
        elif clock() - changed > patience:
            break
        await asyncio.sleep(0.2)
    return missing


async def _differences(
    service: Service, addresses: Mapping[str, str], slack: SlackStandIn, expected: story.Expected
) -> list[str]:
    """A line for each thing that is not, or not yet, as the story says."""
    return [
        *expected.missing(slack),
        *_direct(slack, expected),
        *await _unsettled(service),
        *_repeated(slack, expected),
        *await _missing_entries(addresses, expected),
    ]


async def _missing_entries(addresses: Mapping[str, str], expected: story.Expected) -> list[str]:
    """What the feeds, fetched as a calendar does, do not show as it should be."""
    lines = []
    bookers = {notice.uid: notice.booker for notice in expected.notices}
    async with aiohttp.ClientSession() as session:
        for host in HOSTS:
            async with session.get(addresses[host.id]) as answer:
                if answer.status != 200:
                    lines.append(f"feed of {host.name}: HTTP {answer.status}")
                    continue
                calendar = Calendar.from_ical(await answer.read())
            live = [event for event in calendar.walk("VEVENT") if event.get("STATUS") != "CANCELLED"]
            titles = [str(event.get("SUMMARY")) for event in live]
            wanted = [bookers[uid] for uid in expected.shown[host.id]]
            lines += [
                f"feed of {host.name}: no booking by {name}"
                for name in wanted
                if not any(name in title for title in titles)
            ]
            if len(live) > len(wanted):
                lines.append(f"feed of {host.name}: {len(live)} bookings instead of {len(wanted)}")
    return lines


def _direct(slack: SlackStandIn, expected: story.Expected) -> list[str]:
    """A line for each host of a support session who got no direct message about it."""
    bookers = {
        notice.uid: notice.booker for notice in expected.notices if notice.channel == CHANNELS[SUPPORT]
    }
    held = [expected.shown, expected.gone]
    return [
        f"@{host.name}: no direct message about {bookers[uid]}"
        for host in HOSTS
        for uid in sorted(frozenset().union(*(each[host.id] for each in held)) & bookers.keys())
        if not any(story.mentions(one.content, bookers[uid]) for one in slack.messages(f"@{host.name}"))
    ]


async def _unsettled(service: Service) -> list[str]:
    """A line when something still waits, or was given up."""
    queue = await service.queue()
    waiting = queue.received + queue.waiting + queue.sending
    return [
        *([f"{waiting} events or deliveries wait"] if waiting else []),
        *([f"{queue.dead} deliveries are dead"] if queue.dead else []),
    ]


def _repeated(slack: SlackStandIn, expected: story.Expected) -> list[str]:
    """A line for each card that stands more than once in its channel."""
    return [
        f"{card.channel}: {count} messages about {card.booker} instead of one"
        for card in expected.cards
        if (
            count := sum(
                not message.is_reply and story.mentions(message.content, card.booker)
                for message in slack.messages(card.channel)
            )
        )
        > 1
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await stop.wait()
