"""`booking-bridge feeds`: calendar addresses, who fetches them, and new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from bridge.cli.common import Json, load_settings, local, opened, print_json, run
from bridge.core import words
from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.feeds.feeds import (
    CLIENTS,
    UnknownFeed,
    Who,
    alarm_minutes,
    choose,
    default_options,
    feed_name,
)
from bridge.core.feeds.feeds import who as who_of
from bridge.core.feeds.tokens import DETAILS, Detail, FeedTokens, Options
from bridge.database import Database
from bridge.rules_file import Unreadable, read_people
from bridge.settings import Settings
from bridge.store.facts import ACCEPT, Facts
from bridge.store.feeds import FeedStore
from bridge.store.refreshes import SUSPICIOUS, Refreshes

commands = typer.Typer(help="Calendar addresses.", no_args_is_help=True)


def add_to(application: typer.Typer) -> None:
    application.add_typer(commands, name="feeds")


_KINDS: Final = ("all", "host", "type")
_WHO: Final = typer.Argument(metavar="WHO", help="A host's id or e-mail, type:NAME, or all.")


@commands.command("list")
def list_feeds(as_json: Json = False) -> None:
    """Every feed with its address, and who fetched it last."""
    run(_list(load_settings("BRIDGE_SECRET"), as_json))


async def _list(settings: Settings, as_json: bool) -> None:
    async with opened() as database:
        rows = await _Register(settings, database).rows()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    name = None
    for row in rows:
        if row.name != name:
            typer.echo(name := row.name)
        typer.echo(f"  {row.address}{_manner(row)}")
        for client_name, moment in row.fetched.items():
            typer.echo(f"    last fetched by {client_name}: {local(moment)}")
    fetching = {client_name for row in rows for client_name in row.fetched}
    for client in CLIENTS:
        if client.name in fetching:
            typer.echo(client.habit)
    if not rows:
        typer.echo("no feeds yet: hosts appear here with their first booking in Copera (COPERA_API_TOKEN)")


def _manner(row: _Row) -> str:
    """What an address shows, where that is not what its feed shows usually."""
    alarm = f"reminder {words.duration(row.alarm)} before" if row.alarm else ""
    usual = default_options(who_of(row.who)).detail
    manner = ", ".join(filter(None, [row.detail if row.detail != usual else "", alarm]))
    return f" ({manner})" if manner else ""


@commands.command()
def url(
    who: Annotated[str, _WHO],
    detail: Annotated[
        str, typer.Option(help="What it shows: full, title or busy; default full for a host, else title.")
    ] = "",
    alarm: Annotated[str, typer.Option(help="A reminder so long before, such as 15m; default: none.")] = "",
) -> None:
    """The address to subscribe to."""
    raise typer.Exit(run(_url(load_settings("BRIDGE_SECRET"), who, detail, alarm)))


async def _url(settings: Settings, who: str, detail: str, alarm: str) -> int:
    async with opened() as database:
        register = _Register(settings, database)
        try:
            feed = await register.choose(who)
            typer.echo(await register.address(feed, _options(feed, detail, alarm)))
            if settings.copera_api_token is None:
                typer.echo("booking-bridge: it shows nothing until COPERA_API_TOKEN is set", err=True)
        except (UnknownFeed, ValueError) as problem:
            typer.echo(f"booking-bridge: {problem}", err=True)
            return 1 if isinstance(problem, UnknownFeed) else 2
    return 0


@commands.command()
def rotate(who: Annotated[str, _WHO]) -> None:
    """Revoke every address of a feed at once, and print its new one."""
    raise typer.Exit(run(_rotate(load_settings("BRIDGE_SECRET"), who)))


async def _rotate(settings: Settings, who: str) -> int:
    async with opened() as database:
        register = _Register(settings, database)
        try:
            feed = await register.choose(who)
        except UnknownFeed as problem:
            typer.echo(f"booking-bridge: {problem}", err=True)
            return 1
        await register.store.rotate(feed, datetime.now(UTC))
        typer.echo("Revoked. The new address:")
        typer.echo(await register.address(feed, default_options(feed)))
    return 0


@commands.command()
def accept() -> None:
    """Say that bookings which Copera lists no more are gone indeed, though they are very many."""
    raise typer.Exit(run(_accept()))


async def _accept() -> int:
    async with opened() as database:
        problem = (await Refreshes(database).state()).problem
        if not problem.startswith(SUSPICIOUS):
            typer.echo("booking-bridge: nothing to do: the last refresh was accepted, or failed", err=True)
            return 1
        await Facts(database).change(ACCEPT, "", datetime.now(UTC))
    typer.echo(f"The last refresh was {problem.partition(';')[0]}.")
    typer.echo(
        "The next will be accepted; each missing booking is still asked for before it leaves calendars."
    )
    return 0


@dataclass(frozen=True, slots=True)
class _Row:
    """One address: what it shows and how, its reminder in minutes, and when each calendar fetched it."""

    who: str
    name: str
    detail: Detail
    alarm: int
    address: str
    fetched: Mapping[str, datetime]


class _Register:
    """The feeds of one database under the settings' secret."""

    def __init__(self, settings: Settings, database: Database) -> None:
        assert settings.bridge_secret is not None
        self._settings = settings
        self._tokens = FeedTokens(settings.bridge_secret.get_secret_value())
        self._refreshes = Refreshes(database)
        self.store = FeedStore(database)

    async def choose(self, who: str) -> Who:
        """Whom WHO means; hosts and types that nobody named are known by their ids. Raises UnknownFeed."""
        known = await self.store.generations()
        hosts = [Person(feed.id) for feed in known if feed.kind == "host"]
        kinds = [BookingType(feed.id) for feed in known if feed.kind == "type"]
        types = {one.id: one for one in [*kinds, *await self._refreshes.types()]}
        return choose(who, Directory(hosts, await self._people()), types.values())

    async def address(self, feed: Who, options: Options) -> str:
        """The address of a feed, which works from now on."""
        await self._refreshes.prepare()
        await self.store.register([feed], datetime.now(UTC))
        return self._address(feed, (await self.store.generations())[feed], options)

    async def rows(self) -> list[_Row]:
        """Every feed's usual address, and those others that were fetched, for people and programs."""
        people = await self._people()
        types = {one.id: one for one in await self._refreshes.types()}
        generations = await self.store.generations()
        fetched: dict[tuple[Who, Options], dict[str, datetime]] = {}
        for fetch in await self.store.fetches():
            fetched.setdefault((fetch.who, fetch.options), {})[fetch.client] = fetch.at
        usual = [(feed, default_options(feed)) for feed in generations]
        others = [each for each in fetched if each[0] in generations and each not in usual]
        names = {feed: feed_name(feed, people, types) for feed in generations}

        def place(one: tuple[Who, Options]) -> tuple[object, ...]:
            """All, then hosts, then types, each by name; its usual address first."""
            feed, options = one
            name = names[feed].casefold()
            return _KINDS.index(feed.kind), name, feed.key, one not in usual, options.detail, options.alarm

        return [
            _Row(
                feed.key,
                names[feed],
                options.detail,
                options.alarm,
                self._address(feed, generations[feed], options),
                fetched.get((feed, options), {}),
            )
            for feed, options in sorted([*usual, *others], key=place)
        ]

    def _address(self, feed: Who, generation: int, options: Options) -> str:
        token = self._tokens.token(feed.key, generation, options)
        return f"{self._settings.bridge_public_url}/feeds/{token}.ics"

    async def _people(self) -> Directory:
        try:
            written = read_people(self._settings.bridge_rules)
        except Unreadable:
            written = ()
        return Directory(await self._refreshes.people(), written)


def _options(feed: Who, detail: str, alarm: str) -> Options:
    """Raises ValueError with words for the user."""
    usual = default_options(feed)
    if detail and detail not in DETAILS:
        raise ValueError(f"--detail: expected one of {', '.join(DETAILS)}, got {detail!r}")
    chosen: Detail = next((one for one in DETAILS if one == detail), usual.detail)
    return Options(chosen, alarm_minutes(alarm) if alarm else 0)
