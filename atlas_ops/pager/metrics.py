"""What the pager tells Prometheus about itself. Made by `atlas_ops.cli.pager_parts`; counted by all that works."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from atlas_ops import __version__
from atlas_ops.catalog import signals
from atlas_ops.catalog.model import Signal
from atlas_ops.pager.deeds.deed import Act
from atlas_ops.pager.ways.telling import Way

RESULTS = ("accepted", "unchanged", "heartbeat", "refused", "unauthorized", "too_large", "failed")
"""How a webhook was answered: 200 for the first three, then 400, 401 (no token, or a wrong one), 413 and 503."""
KINDS = ("message", "update", "reply")
REASONS = ("rate_limited", "server_error", "timeout", "unreachable", "disconnected", "not_slack", "refused", "database")
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The pager's own signals."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the contract has no `_created` series
        self._registry = CollectorRegistry()
        self._received = self._counter(signals.PAGER_RECEIVED, RESULTS)
        self._delivered = self._counter(signals.PAGER_DELIVERED, KINDS)
        self._retried = self._counter(signals.PAGER_RETRIED, REASONS)
        self._queue = self._gauge(signals.PAGER_QUEUE)
        self._deeds = self._counter(signals.PAGER_DEEDS, tuple(act.value for act in Act))
        self._told = Counter(
            signals.PAGER_TOLD.name, signals.PAGER_TOLD.help, signals.PAGER_TOLD.labels, registry=self._registry
        )
        self._alertmanager = self._gauge(signals.PAGER_ALERTMANAGER_UP)
        self._socket: Gauge | None = None
        self._heartbeat: Gauge | None = None
        latency = signals.PAGER_DELIVERY_LATENCY
        self._latency = Histogram(latency.name, latency.help, buckets=_SECONDS, registry=self._registry)
        build = signals.BUILD_INFO
        Gauge(build.name, build.help, build.labels, registry=self._registry).labels(__version__).set(1)

    def received(self, result: str) -> None:
        """Count a webhook by how it was answered (`RESULTS`)."""
        self._received.labels(result).inc()

    def delivered(self, kind: str, seconds: float) -> None:
        """Count something that Slack accepted (`KINDS`), `seconds` after its webhook."""
        self._delivered.labels(kind).inc()
        self._latency.observe(max(0.0, seconds))

    def retried(self, reason: str) -> None:
        """Count a delivery that has to be tried again (`REASONS`)."""
        self._retried.labels(reason).inc()

    def queue(self, length: int) -> None:
        """Tell how many incidents have something to be delivered."""
        self._queue.set(length)

    def deed(self, act: Act) -> None:
        """Count what a person did."""
        self._deeds.labels(act.value).inc()

    def ways(self, ways: Iterable[Way]) -> None:
        """Say which ways there are beside the channel of pages."""
        for way in ways:
            for result in ("sent", "failed"):
                self._told.labels(way.value, result)

    def told(self, way: Way, *, sent: bool) -> None:
        """Count a message by another way than the channel of pages."""
        self._told.labels(way.value, "sent" if sent else "failed").inc()

    def alertmanager(self, *, up: bool) -> None:
        """Tell whether Alertmanager answers the pager's questions."""
        self._alertmanager.set(up)

    def socket(self, *, up: bool) -> None:
        """Tell whether Slack's buttons reach the pager over Socket Mode; never called without it."""
        if self._socket is None:
            self._socket = self._gauge(signals.PAGER_SOCKET_UP)
        self._socket.set(up)

    def heartbeat(self, at: float | None) -> None:
        """Tell when the last heartbeat came, Unix seconds; None: none ever did."""
        if at is None:
            return
        if self._heartbeat is None:  # absent until there is one: 0 would be a heartbeat of 1970
            self._heartbeat = self._gauge(signals.PAGER_LAST_HEARTBEAT)
        self._heartbeat.set(at)

    def page(self) -> bytes:
        """Return the metrics page in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, signal: Signal, values: tuple[str, ...]) -> Counter:
        counter = Counter(signal.name, signal.help, signal.labels, registry=self._registry)
        for value in values:
            counter.labels(value)  # a series that begins at its first event has no increase
        return counter

    def _gauge(self, signal: Signal) -> Gauge:
        return Gauge(signal.name, signal.help, registry=self._registry)
