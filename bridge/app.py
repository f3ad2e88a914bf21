"""The composition root: the only module that knows all the others and joins them to a service.

Longer than a module should be, for that: what is joined can be read in one place.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from bridge import __version__
from bridge.alerts import Alerts
from bridge.copera import Copera
from bridge.core.bookings import BookingType, Directory, Event, Person
from bridge.core.feeds.feeds import Who
from bridge.core.feeds.tokens import Options, Seals
from bridge.core.json_body import as_json
from bridge.core.knowledge import Knowledge
from bridge.core.pacing import EDITS_A_MINUTE, channel_pace, minute_pace
from bridge.core.rules.rules import Rules
from bridge.courier.addresses import Addresses
from bridge.courier.clock import SharedClock
from bridge.courier.courier import Courier
from bridge.courier.sending import Sender
from bridge.database import Database, open_database
from bridge.departing import watched
from bridge.metrics import Metrics
from bridge.mirror import Mirror
from bridge.outflow import Outflow
from bridge.readiness import Readiness
from bridge.rehearsal import rehearse
from bridge.repair import PATIENCE, Repair
from bridge.retention import Retention
from bridge.router import Router
from bridge.rulebook import Rulebook
from bridge.setting_values import Secret
from bridge.settings import Settings
from bridge.slack import TIMEOUT, Slack
from bridge.store.deliveries import Deliveries
from bridge.store.events import Events
from bridge.store.facts import Facts
from bridge.store.feeds import FeedStore
from bridge.store.figures import Figures
from bridge.store.gates import Claimant
from bridge.store.intake import Intake
from bridge.store.people import SlackNames
from bridge.store.refreshes import Refreshes
from bridge.store.rendering import keep_up
from bridge.tasks import Tasks
from bridge.web.answers import errors_as_json
from bridge.web.feeds import Feeds
from bridge.web.hardening import Connections, Runner
from bridge.web.health import Health
from bridge.web.webhook import LARGEST_BODY, Webhook

log = structlog.get_logger()

REQUIRED: Final = ("COPERA_WEBHOOK_SECRETS", "BRIDGE_SECRET")
"""Settings that the service cannot do without."""

_NAMES_PATIENCE: Final = 5.0
_DRAIN: Final = 8.5
_LAST: Final = {"intake", "courier", "alerts"}
"""Loops that finish what is in flight."""


Clock = Callable[[], datetime]


class CannotStart(Exception):
    """The service cannot start; the message is one clear line."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Service:
    """The running bridge. `url` is where it listens, known after `start`."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = utc_now,
        reach: Callable[[str], None] = lambda step: None,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._settings = settings
        self.clock = clock
        self._reach = reach
        self._patience = patience
        self._tasks = Tasks()
        self._open = AsyncExitStack()
        self._members: tuple[Person, ...] = ()
        self._named = asyncio.Event()  # Copera told, now or before, what people and types are called
        self._types: Mapping[str, BookingType] = {}
        self.mirror: Mirror | None = None
        self.url = ""

    async def start(self) -> None:
        """Open, migrate, load and listen. Raises CannotStart, Unavailable, Unreadable, RulesError."""
        settings = self._settings
        webhooks = {name: secret.get_secret_value() for name, secret in settings.slack_webhooks.items()}
        self.rulebook = Rulebook(
            settings.bridge_rules,
            webhooks=webhooks,
            clock=self.clock,
            can_look_up=settings.can_look_up,
        )
        await self.rulebook.open()
        self._check_token()
        self.database = await open_database(settings.bridge_database_url.get_secret_value(), exclusive=True)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=3),
            connector=aiohttp.TCPConnector(limit=100),
            cookie_jar=aiohttp.DummyCookieJar(),  # Slack's API keeps no state in cookies
            json_serialize=as_json,
            trace_configs=None if self.database.is_alone else [watched()],
        )
        self.metrics = Metrics()
        self._slack = Slack(
            self._session,
            token=_revealed(settings.slack_bot_token),
            api_url=settings.slack_api_url,
            webhooks=webhooks,
            observe=lambda method, outcome, _: self.metrics.slack_calls.labels(method, outcome).inc(),
        )
        self._knowledge = Knowledge(self.rulebook.rules)
        self._build_line(self.database)
        try:
            await self._build_mirror(self.database)
            await rehearse(self.database, self.deliveries, self.clock())
            await self._listen()
        except BaseException:
            await self.close()
            raise
        self._run_all()

    def _check_token(self) -> None:
        """A bot token is needed as soon as anything goes elsewhere than to an incoming webhook."""
        if self._settings.slack_bot_token is None and _needs_token(self.rulebook.rules):
            raise CannotStart(
                "SLACK_BOT_TOKEN is missing: the rules post to channels or people, which needs the bot token"
            )

    def _build_line(self, database: Database) -> None:
        settings, clock, reach = self._settings, self.clock, self._reach
        self.events = Events(database)
        self._intake = Intake(database)
        self.deliveries = Deliveries(database)
        figures = Figures(database)
        self.queue = figures.queue
        self._readiness = Readiness(
            database,
            figures,
            self.rulebook,
            self.deliveries,
            self.metrics,
            clock,
            refusal=lambda: self._intake.trouble,
            mirror=Refreshes(database) if settings.copera_api_token else None,
            interval=timedelta(seconds=settings.bridge_sync_interval),
        )
        self._shared = shared = SharedClock(database, clock)
        self.router = Router(
            database,
            self.knowledge,
            clock=shared,
            heard=self._hear,
            observe=lambda routed: self.metrics.count_matches(match.rule for match in routed.matches),
            reach=reach,
            busy=lambda: self._intake.is_flooded,
        )
        self._build_sending(database, shared)
        keep = timedelta(days=settings.bridge_retention_days)
        self._retention = Retention(database, keep, clock)

    def _build_sending(self, database: Database, clock: SharedClock) -> None:
        settings = self._settings
        workspace = minute_pace(settings.bridge_workspace_rate)
        channel = channel_pace(settings.bridge_channel_rate)
        outflow = Outflow(channel)
        claimant = Claimant(
            owner=f"{socket.gethostname()[:20]}:{os.getpid()}:{os.urandom(3).hex()}",
            channel=channel,
            workspace=workspace,
            edits=minute_pace(EDITS_A_MINUTE) if workspace else None,
        )
        self.alerts = Alerts(
            self._slack,
            lambda: self.rulebook.rules.settings.alerts_to,
            facts=Facts(database),
            gates=self.deliveries.gates,
            claimant=claimant,
            outflow=outflow,
            clock=clock,
        )
        addresses = Addresses(self._slack, SlackNames(database), clock)
        self.courier = Courier(
            database,
            self.deliveries,
            Sender(self._slack, addresses, self.knowledge, outflow, clock, self._reach),
            claimant,
            clock=clock,
            report=self.alerts.report,
            observe=lambda delivery, state, error: self.metrics.count_delivery(
                state, error, self.clock() - delivery.received_at
            ),
        )

    async def feed_address(self, host_id: str) -> str:
        """The calendar address of a host, at this service's own address."""
        feed, store = Who("host", host_id), FeedStore(self.database)
        await store.register([feed], self.clock())
        generation = (await store.generations())[feed]
        secret = _revealed(self._settings.bridge_secret) or ""
        return f"{self.url}/feeds/{Seals(secret).token(feed.key, generation, Options())}.ics"

    def knowledge(self) -> Knowledge:
        """What is known now; the same object until something changes."""
        return self._knowledge

    def _learn(self) -> None:
        """Take new rules or a new directory into use, whole."""
        rules = self.rulebook.rules
        directory = Directory(self._members, rules.people, is_known=self._named.is_set())
        self._knowledge = Knowledge(rules, directory, self._types)

    def _name(self, members: Sequence[Person], types: Sequence[BookingType]) -> None:
        """Take what Copera calls people and booking types into use."""
        self._members, self._types = tuple(members), {one.id: one for one in types}
        if members or types:
            self._named.set()
        self._learn()

    async def _build_mirror(self, database: Database) -> None:
        """With a token of Copera's: the mirror, and what it knew when the bridge stopped."""
        settings = self._settings
        refreshes = Refreshes(database)
        await refreshes.prepare()
        if await keep_up(database, self.clock()):
            log.info("feeds.revised", reason="this version shows bookings differently")
        self._name(await refreshes.people(), await refreshes.types())
        self._feeds = Feeds(
            database,
            secret=_revealed(settings.bridge_secret) or "",
            public_url=settings.bridge_public_url,
            past_days=settings.bridge_feed_past_days,
            clock=self.clock,
            observe=lambda status, _: self.metrics.feed_requests.labels(str(status)).inc(),
        )
        if settings.copera_api_token is None:
            self._named.set()
            self._learn()
            log.warning("copera.no_token", remedy="set COPERA_API_TOKEN for calendar feeds and hosts' names")
            return
        self.copera = Copera(
            settings.copera_api_url,
            settings.copera_api_token.get_secret_value(),
            clock=self.clock,
            observer=lambda endpoint, outcome, _: self.metrics.copera_calls.labels(endpoint, outcome).inc(),
        )
        await self._open.enter_async_context(self.copera)
        await self._shared.set()
        self.mirror = Mirror(
            database,
            self.copera,
            clock=self.clock,
            shared=self._shared,
            interval=timedelta(seconds=settings.bridge_sync_interval),
            past_days=settings.bridge_feed_past_days,
            people=lambda: self.rulebook.rules.people,
            named=self._name,
            changed=self._freshen,
        )
        self.repair = Repair(
            database,
            self._intake.accept,
            lambda: self.rulebook.rules.settings,
            clock=self.clock,
            slack=self._slack,
            patience=self._patience,
            observe=lambda name: self.metrics.events.labels(name, "repaired").inc(),
        )

    def _freshen(self) -> None:
        """The mirror changed, or was refreshed."""
        self._feeds.invalidate()
        self.repair.wake()

    def _hear(self, event: Event) -> None:
        """What a webhook says freshens the mirror."""
        if self.mirror is not None and event.source == "webhook":
            self.mirror.hint(event.booking.id, event.booking, event.at)

    async def _listen(self) -> None:
        settings = self._settings
        webhook = Webhook(
            self._intake,
            secrets=[secret.get_secret_value() for secret in settings.copera_webhook_secrets],
            retention=timedelta(days=settings.bridge_retention_days),
            clock=self.clock,
            proxies=settings.bridge_trusted_proxies,
            observe=self.metrics.count_event,
            reach=self._reach,
        )
        health = Health(self._readiness.parts, self._readiness.metrics)
        connections = Connections()
        application = web.Application(
            client_max_size=LARGEST_BODY, middlewares=[connections.middleware, errors_as_json]
        )
        application.add_routes([*webhook.routes(), *self._feeds.routes(), *health.routes()])
        self._runner = Runner(application, connections)
        await self._runner.setup()
        host, port = settings.bridge_host, settings.bridge_port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as problem:
            number = problem.errno or 0
            why = os.strerror(number) if number > 0 else problem.strerror
            raise CannotStart(f"cannot listen on BRIDGE_HOST {host}, BRIDGE_PORT {port}: {why}") from None
        port = self._runner.addresses[0][1]
        self.url = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104

    def _run_all(self) -> None:
        self._tasks.run("intake", self._intake.run())
        self._tasks.run("router", self._route())
        self._tasks.run("courier", self.courier.run())
        if self.mirror is not None:
            self._tasks.run("mirror", self.mirror.run())
            self._tasks.run("repair", self.repair.run())
        self._tasks.run("feeds", self._feeds.run())
        self._tasks.run("feeds' news", self._feeds.hear())
        self._tasks.run("rules", self.rulebook.watch(self.alerts.report, self._learn))
        self._tasks.run("alerts", self.alerts.run())
        self._tasks.run("retention", self._retention.run())
        self._tasks.run("announcements", self.database.listen())
        log.info("service.started", version=__version__, url=self.url, rules_hash=self.rulebook.rules.hash)

    async def _route(self) -> None:
        """At the very first start give Copera a moment to say what hosts are called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_NAMES_PATIENCE):
                await self._named.wait()
        await self.router.run()

    async def wait(self, stop: asyncio.Event) -> bool:
        """Return when told to stop (True), or when a part has failed (False)."""
        return await self._tasks.wait(stop)

    async def close(self) -> None:
        """Take nothing more in, finish what is in flight within ten seconds, let go.

        All at the same time: where the database does not answer, each waits for it in vain.
        """
        if self._tasks.is_running("courier"):
            self.courier.stop()
        if hasattr(self, "database"):
            self.database.hurry()
        ending = [self._tasks.cancel(*self._tasks.names - _LAST)]
        if hasattr(self, "_runner"):
            ending.append(self._runner.cleanup())
        if self._tasks.is_running("courier"):
            ending.append(self._tasks.finish("courier", _DRAIN))
        await asyncio.gather(*ending)
        await self._tasks.cancel()
        await self._open.aclose()
        await self._session.close()
        await self.database.close()
        if self._tasks.began:
            log.info("service.stopped")


def _needs_token(rules: Rules) -> bool:
    """Whether anything goes elsewhere than to an incoming webhook."""
    posts = [post for rule in rules.rules for post in rule.posts] + list(rules.otherwise)
    places = [*(place for post in posts for place in post.to), rules.settings.alerts_to or "webhook:"]
    return any(not place.startswith("webhook:") for place in places)


def _revealed(secret: Secret | None) -> str | None:
    return secret.get_secret_value() if secret else None
