"""What Prometheus may know: base units, `_total` for counters, few labels, nothing personal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from bridge.core.bookings import EVENT_KINDS
from bridge.core.retry import REMEDIES, Verdict

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter that says when it began
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400)


class Metrics:
    """One service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = self._counter("events", "Events received", ("event", "outcome"))
        self.signature_failures = self._counter("signature_failures", "Webhooks refused for their signature")
        self.matches = self._counter("route_matches", "Deliveries made by each rule", ("rule",))
        self.deliveries = self._counter("deliveries", "Deliveries settled", ("state", "error"))
        self.queue = self._gauge("queue_deliveries", "Deliveries in each state that is not final", ("state",))
        self.oldest = self._gauge("queue_oldest_seconds", "Age of the oldest delivery that waits")
        self.delay = Histogram(
            "booking_bridge_delivery_delay_seconds",
            "From receipt of an event to its delivery",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.slack_calls = self._counter("slack_calls", "Calls to Slack", ("method", "outcome"))
        self.copera_calls = self._counter("copera_calls", "Calls to Copera", ("endpoint", "outcome"))
        self.mirror_age = self._gauge("mirror_age_seconds", "Since the last full refresh of the mirror")
        self.mirror_size = self._gauge("mirror_bookings", "Bookings in the mirror")
        self.feed_requests = self._counter("feed_requests", "Requests for feeds", ("outcome",))
        self.rules_valid = self._gauge("rules_valid", "1 when the rules file on disk is in force, else 0")
        self.rules_loaded = self._gauge(
            "rules_loaded_timestamp_seconds", "When the rules in force were loaded"
        )

        self._events = cache(self.events.labels)  # in a flood, looking one up takes longer than counting
        self._begin()

    def _begin(self) -> None:
        """Show what alerts wait for from the start: a series that appears with 1 did not increase."""
        for event in (*EVENT_KINDS, "other"):
            self.events.labels(event, "not_stored")
            self.events.labels(event, "unrecognised")
        for error, (verdict, _) in REMEDIES.items():
            if verdict is Verdict.TOKEN:
                self.slack_calls.labels("chat.postMessage", error)

    def count_event(self, event: str, outcome: str) -> None:
        """A request to the receiver; only names of events that are known become labels."""
        known = event if event in EVENT_KINDS else "other"
        self._events(known, outcome).inc()
        if outcome == "bad_signature":
            self.signature_failures.inc()

    def count_matches(self, rules: Iterable[str]) -> None:
        """Deliveries that rules made."""
        for rule in rules:
            self.matches.labels(rule).inc()

    def count_delivery(self, state: str, error: str, delay: timedelta) -> None:
        """A delivery that was settled so long after its event was received."""
        self.deliveries.labels(state, error).inc()
        if state == "sent":
            self.delay.observe(delay.total_seconds())

    def text(self) -> bytes:
        """All metrics in Prometheus' text form."""
        return generate_latest(self.registry)

    def _counter(self, name: str, words: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(f"booking_bridge_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"booking_bridge_{name}", words, labels, registry=self.registry)
