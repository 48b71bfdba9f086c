"""The exporter as a whole: collectors behind one HTTP page.

Made by `atlas_ops.cli.exporter`. The port is bound first, so that a second exporter on the same port fails before it
asks a single server; then the collectors start, and the first page waits a little for their first round.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType

from atlas_ops.exporter import self_metrics
from atlas_ops.exporter.collector import Collector, Paced
from atlas_ops.exporter.http import Reply, Server
from atlas_ops.exporter.page import CONTENT_TYPE, render

READY_INTERVALS = 3
"""A collector whose last round is older than this many intervals makes the exporter not ready."""
_POLL_SECONDS = 0.01

_INDEX = """\
<!doctype html>
<html lang="en">
<title>atlas-ops exporter</title>
<h1>atlas-ops exporter</h1>
<ul>
<li><a href="/metrics">/metrics</a>: GPUs and model servers, for Prometheus
<li><a href="/-/healthy">/-/healthy</a>: the process answers
<li><a href="/-/ready">/-/ready</a>: every collector is up to date
</ul>
"""


class Service:
    """Serves the page of some collectors; a context manager that stops everything at its end."""

    def __init__(self, host: str, port: int, collectors: Sequence[Collector]) -> None:
        """Bind the port; EnvironmentProblem when it cannot be had. `port` 0 takes a free one."""
        self._collectors = tuple(collectors)
        self._scrapes = 0
        self._lock = threading.Lock()
        routes = {"/": self._index, "/metrics": self._metrics, "/-/healthy": self._healthy, "/-/ready": self._ready}
        self._server = Server(host, port, routes)

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"{self._server.url}/metrics"

    def start(self, first_round_seconds: float, stopping: threading.Event) -> None:
        """Start the collectors, give them `first_round_seconds` for their first round, then serve.

        Setting `stopping` ends the waiting early.
        """
        for collector in self._collectors:
            collector.start()
        end = time.monotonic() + first_round_seconds
        while time.monotonic() < end and not all(collector.ready for collector in self._collectors):
            if stopping.wait(_POLL_SECONDS):
                break
        self._server.start()

    def stop(self) -> None:
        """Stop serving, then the collectors."""
        self._server.stop()
        for collector in self._collectors:
            collector.stop()

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _metrics(self) -> Reply:
        with self._lock:
            self._scrapes += 1
            scrapes = self._scrapes
        samples = self_metrics.collect_all(self._collectors) + self_metrics.own(scrapes)
        return Reply(status=200, content_type=CONTENT_TYPE, body=render(samples).encode())

    def _ready(self) -> Reply:
        late = [text for collector in self._collectors if (text := _lateness(collector))]
        if late:
            return Reply(status=503, body="\n".join(["not ready", *late, ""]).encode())
        return Reply(status=200, body=b"ready\n")

    def _healthy(self) -> Reply:
        return Reply(status=200, body=b"healthy\n")

    def _index(self) -> Reply:
        return Reply(status=200, content_type="text/html; charset=utf-8", body=_INDEX.encode())


def _lateness(collector: Collector) -> str:
    """Say what is late about a collector; empty when nothing is."""
    if not collector.ready:
        return f"{collector.name}: its first round is not over"
    last = collector.last_round() if isinstance(collector, Paced) else None
    if last is not None and isinstance(collector, Paced):
        limit = READY_INTERVALS * collector.interval_seconds
        if last.age_seconds > limit:
            return f"{collector.name}: its last round was {last.age_seconds:.1f} s ago, more than {limit:g} s"
    return ""
