"""`booking-bridge feeds`: calendar addresses, who fetches them, and new ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from bridge.cli.common import Json, load_settings, local, opened, print_json, run
from bridge.core.bookings import BookingType, Directory, Person
from bridge.core.feeds import UnknownFeed, Who, alarm_minutes, choose, default_options, feed_name
from bridge.core.tokens import DETAILS, Detail, Options, Seals
from bridge.database import Database
from bridge.rulebook import Unreadable, read_people
from bridge.settings import Settings
from bridge.store.feeds import FeedStore, Fetch
from bridge.store.refreshes import Refreshes

commands = typer.Typer(help="Calendar addresses.", no_args_is_help=True)


def add_to(application: typer.Typer) -> None:
    application.add_typer(commands, name="feeds")


_WHO: Final = typer.Argument(metavar="WHO", help="A host's id or e-mail, type:NAME, or all.")


@commands.command("list")
def list_feeds(as_json: Json = False) -> None:
    """Every feed with its address, and who fetched it last."""
    run(_list(load_settings("BRIDGE_SECRET"), as_json))


async def _list(settings: Settings, as_json: bool) -> None:
    async with opened() as database:
        register = _Register(settings, database)
        rows = await register.rows()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['name']}\n  {row['address']}")
        for client, moment in row["fetched"].items():
            typer.echo(f"  last fetched by {client}: {local(moment)}")
    if not rows:
        typer.echo("no feeds yet: hosts appear here after the first refresh from Copera (COPERA_API_TOKEN)")


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


class _Register:
    """The feeds of one database under the settings' secret."""

    def __init__(self, settings: Settings, database: Database) -> None:
        assert settings.bridge_secret is not None
        self._settings = settings
        self._seals = Seals(settings.bridge_secret.get_secret_value())
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
        generations = await self.store.generations()
        token = self._seals.token(feed.key, generations[feed], options)
        return f"{self._settings.bridge_public_url}/feeds/{token}.ics"

    async def rows(self) -> list[dict[str, Any]]:
        """Every known feed for people and programs."""
        people = await self._people()
        types = {one.id: one for one in await self._refreshes.types()}
        fetched: dict[Who, list[Fetch]] = {}
        for fetch in await self.store.fetches():
            fetched.setdefault(fetch.who, []).append(fetch)
        rows: list[dict[str, Any]] = []
        for feed in sorted(await self.store.generations(), key=lambda one: one.key):
            row: dict[str, Any] = {
                "who": feed.key,
                "name": feed_name(feed, people, types),
                "address": await self.address(feed, default_options(feed)),
                "fetched": {fetch.client: fetch.at for fetch in fetched.get(feed, [])},
            }
            rows.append(row)
        return rows

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
