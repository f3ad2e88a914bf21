"""The composition root: the only module that knows all the others and joins them to a service.

Longer than a module should be, for that: what is joined can be read in one place.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
import structlog

from bridge import __version__
from bridge.alerts import Alerts
from bridge.copera import Copera
from bridge.core.bookings import Event
from bridge.core.json_body import as_json
from bridge.core.pacing import EDITS_A_MINUTE, channel_pace, minute_pace
from bridge.core.rules.needs import needs
from bridge.courier.addresses import Addresses
from bridge.courier.clock import SharedClock
from bridge.courier.courier import Courier
from bridge.courier.sending import Sender
from bridge.current_knowledge import CurrentKnowledge
from bridge.database import Database, open_database
from bridge.fencing import tracing
from bridge.metrics import Metrics
from bridge.mirror import Mirror
from bridge.pacer import Pacer
from bridge.readiness import Readiness, overdue
from bridge.repair import PATIENCE, Repair
from bridge.retention import Retention
from bridge.router import Router
from bridge.rulebook import Rulebook
from bridge.setting_values import Secret
from bridge.settings import Settings
from bridge.slack import TIMEOUT, Answer, Slack
from bridge.store.deliveries import Deliveries
from bridge.store.events import Events
from bridge.store.facts import Facts
from bridge.store.figures import Figures
from bridge.store.gates import Claimant
from bridge.store.history import History
from bridge.store.intake import Intake
from bridge.store.people import SlackNames
from bridge.store.refreshes import Refreshes
from bridge.store.rendering import keep_up
from bridge.tasks import Tasks
from bridge.warm_up import warm_up
from bridge.web.feeds import Feeds
from bridge.web.health import Health
from bridge.web.server import Server
from bridge.web.webhook import PATH, Webhook

log = structlog.get_logger()

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
        fail_point: Callable[[str], None] = lambda step: None,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._settings = settings
        self.clock = clock
        self._fail_point = fail_point
        self._patience = patience
        self._tasks = Tasks()
        self._open = AsyncExitStack()
        self.mirror: Mirror | None = None
        self.url = ""

    async def start(self) -> None:
        """Open, migrate, load and listen.

        Raises Unreadable and RulesError for the rules, Unavailable and TooNew for the database, CannotStart
        and CannotListen for the rest.
        """
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
        self.metrics = Metrics()
        self._build_slack(self.database, webhooks)
        self.knowledge = CurrentKnowledge(lambda: self.rulebook.rules)
        self._build_line(self.database)
        try:
            await self._build_feeds(self.database)
            await self._build_mirror(self.database)
            await warm_up(self.database, self.deliveries, self.clock())
            await self._readiness.parts()  # from here on /readyz can say since when a part is well
            await self._listen()
        except BaseException:
            await self.close()
            raise
        self._run_all()

    def _build_slack(self, database: Database, webhooks: Mapping[str, str]) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT, sock_connect=3),
            connector=aiohttp.TCPConnector(limit=100),
            cookie_jar=aiohttp.DummyCookieJar(),  # Slack's API keeps no state in cookies
            json_serialize=as_json,
            response_class=Answer,
            trace_configs=None if database.is_exclusive else [tracing()],
        )
        self._slack = Slack(
            self._session,
            token=_revealed(self._settings.slack_bot_token),
            api_url=self._settings.slack_api_url,
            webhooks=webhooks,
            observe=lambda method, outcome, _: self.metrics.slack_calls.labels(method, outcome).inc(),
        )

    def _check_token(self) -> None:
        """A bot token is needed as soon as anything goes elsewhere than to an incoming webhook."""
        if self._settings.slack_bot_token is None and needs(self.rulebook.rules).token:
            raise CannotStart(
                "SLACK_BOT_TOKEN is missing: the rules post to channels or people, which needs the bot token"
            )

    def _build_line(self, database: Database) -> None:
        settings, clock, fail_point = self._settings, self.clock, self._fail_point
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
            heard=self._hint,
            observe=lambda routed: self.metrics.count_matches(match.rule for match in routed.matches),
            fail_point=fail_point,
            busy=lambda: self._intake.is_flooded,
        )
        self._build_sending(database, shared)
        keep = timedelta(days=settings.bridge_retention_days)
        self._retention = Retention(database, keep, clock)

    def _build_sending(self, database: Database, clock: SharedClock) -> None:
        settings = self._settings
        workspace = minute_pace(settings.bridge_workspace_rate)
        channel = channel_pace(settings.bridge_channel_rate)
        pacer = Pacer(channel)
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
            history=History(database),
            claimant=claimant,
            pacer=pacer,
            clock=clock,
        )
        addresses = Addresses(self._slack, SlackNames(database), clock)
        self.courier = Courier(
            database,
            self.deliveries,
            Sender(self._slack, addresses, self.knowledge, pacer, clock, self._fail_point),
            claimant,
            clock=clock,
            report=self.alerts.report,
            observe=lambda delivery, state, error: self.metrics.count_delivery(
                state, error, self.clock() - delivery.received_at
            ),
        )

    async def _build_feeds(self, database: Database) -> None:
        """The feeds, and what Copera called people and types when the bridge stopped."""
        settings = self._settings
        refreshes = Refreshes(database)
        await refreshes.prepare()
        if await keep_up(database, self.clock()):
            log.info("feeds.revised", reason="this version shows bookings differently")
        self.knowledge.name(await refreshes.people(), await refreshes.types())
        self._feeds = Feeds(
            database,
            secret=_revealed(settings.bridge_secret) or "",
            public_url=settings.bridge_public_url,
            past_days=settings.bridge_feed_past_days,
            overdue=overdue(timedelta(seconds=settings.bridge_sync_interval)),
            clock=self.clock,
            observe=lambda status, _: self.metrics.feed_requests.labels(str(status)).inc(),
        )

    async def _build_mirror(self, database: Database) -> None:
        """With a token of Copera's: the mirror of its bookings, and the repair of what no webhook told."""
        settings = self._settings
        if settings.copera_api_token is None:
            self.knowledge.do_without_names()
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
            named=self.knowledge.name,
            changed=self._mirror_changed,
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

    def _mirror_changed(self) -> None:
        """The mirror changed, or was refreshed."""
        self._feeds.invalidate()
        self.repair.wake()

    def _hint(self, event: Event) -> None:
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
            fail_point=self._fail_point,
        )
        health = Health(self._readiness.parts, self._readiness.metrics)
        routes = [*webhook.routes(), *self._feeds.routes(), *health.routes()]
        self._server = Server(routes, direct=(PATH, webhook.receive))
        self.url = await self._server.start(settings.bridge_host, settings.bridge_port)

    def _run_all(self) -> None:
        self._tasks.run("intake", self._intake.run())
        self._tasks.run("router", self._route())
        self._tasks.run("courier", self.courier.run())
        if self.mirror is not None:
            self._tasks.run("mirror", self.mirror.run())
            self._tasks.run("repair", self.repair.run())
        self._tasks.run("feeds", self._feeds.run())
        self._tasks.run("feed changes", self._feeds.listen())
        self._tasks.run("rules", self.rulebook.watch(self.alerts.report, self.knowledge.renew))
        self._tasks.run("alerts", self.alerts.run())
        self._tasks.run("retention", self._retention.run())
        self._tasks.run("notifications", self.database.listen())
        log.info("service.started", version=__version__, url=self.url, rules_hash=self.rulebook.rules.hash)

    async def _route(self) -> None:
        """At the very first start give Copera a moment to say what hosts are called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_NAMES_PATIENCE):
                await self.knowledge.named.wait()
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
        if hasattr(self, "_server"):
            ending.append(self._server.close())
        if self._tasks.is_running("courier"):
            ending.append(self._tasks.finish("courier", _DRAIN))
        await asyncio.gather(*ending)
        await self._tasks.cancel()
        await self._open.aclose()
        await self._session.close()
        await self.database.close()
        if self._tasks.began:
            log.info("service.stopped")


def _revealed(secret: Secret | None) -> str | None:
    return secret.get_secret_value() if secret else None
