"""The exporter as a whole: collectors behind one HTTP page.

Made by `atlas_ops.cli.exporter`. The port is bound first, so that a second exporter on the same port fails before it
asks a single server. `/-/healthy` answers from the start; a scrape waits for the first page as long as it may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from atlas_ops.exporter import page
from atlas_ops.exporter.collector import Collector, Finder, Paced
from atlas_ops.exporter.lineup import Lineup, Plan
from atlas_ops.exporter.page import Compat
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.self_metrics import SelfMetrics
from atlas_ops.exporter.snapshot import SnapshotMaker
from atlas_ops.exporter.web import negotiate
from atlas_ops.exporter.web.guard import Guard
from atlas_ops.exporter.web.message import Reply, Request
from atlas_ops.exporter.web.server import Server
from atlas_ops.exporter.web.session import Site
from atlas_ops.settings import Server as ModelServer

READY_INTERVALS = 3
"""A collector whose last round is older than this many intervals makes the exporter not ready."""
_NEW_PAGE_SECONDS = 5.0
"""For the first page of changed collectors; after it, those that were removed are stopped in any case."""

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

    def __init__(self, host: str, port: int, guard: Guard, *, snapshot_seconds: float = 1.0) -> None:
        """Bind the port; EnvironmentProblem when it cannot be had. `port` 0 takes a free one."""
        self.guard = guard
        """Who may come in; may be replaced while it serves."""
        self._self_metrics = SelfMetrics()
        self._lineup = Lineup()
        self._snapshots = SnapshotMaker(self._own, interval_seconds=snapshot_seconds)
        routes = {"/": self._index, "/metrics": self._metrics, "/-/healthy": self._healthy, "/-/ready": self._ready}
        self._server = Server(
            host, port, Site(routes=routes, guard=lambda: self.guard, refused=self._self_metrics.refused)
        )

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"{self._server.url}/metrics"

    def start(self) -> None:
        """Begin to serve; `use` says what."""
        self._snapshots.start()
        self._server.start()

    def use(
        self,
        plans: Sequence[Plan],
        compat: Sequence[Compat] = (),
        *,
        first_round_seconds: float,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """Put these collectors to work instead of those before, between one page and the next.

        New ones get up to `first_round_seconds` for their first round before they are on the page, and the removed ones
        are on it until then. When one cannot be made or started, the error is raised and nothing has changed.
        """
        made = self._lineup.prepare(plans, first_round_seconds, cancelled)
        self._snapshots.use(tuple(made.values()), compat, _NEW_PAGE_SECONDS)
        self._lineup.adopt(made)

    def found(self) -> tuple[tuple[ModelServer, ...], ...]:
        """Return the model servers that each collector which looks for them has found, in the order of the plans."""
        return tuple(collector.found() for collector in self._lineup.collectors if isinstance(collector, Finder))

    def reloaded(self, *, success: bool) -> None:
        """Tell on the page how a reload of the settings ended."""
        self._self_metrics.reloaded(success=success)
        self._snapshots.refresh()

    def stop(self) -> None:
        """Stop serving, then the collectors."""
        self._server.stop()
        self._snapshots.stop()
        self._lineup.stop()

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _own(self) -> list[Sample]:
        self.guard.current()  # finds a broken web-config file although nobody connects
        return self._self_metrics.samples(web_config_broken=self.guard.broken)

    def _metrics(self, request: Request) -> Reply:
        openmetrics = negotiate.wants_openmetrics(request.header("accept"))
        compressed = negotiate.accepts_gzip(request.header("accept-encoding"))
        body = self._snapshots.body(request.deadline, openmetrics=openmetrics, compressed=compressed)
        self._self_metrics.scraped()
        return Reply(
            status=200,
            content_type=page.OPENMETRICS if openmetrics else page.TEXT,
            headers={"Vary": "Accept, Accept-Encoding", **({"Content-Encoding": "gzip"} if compressed else {})},
            body=body,
        )

    def _ready(self, _: Request) -> Reply:
        troubles = [self._snapshots.trouble(), *(_lateness(collector) for collector in self._lineup.collectors)]
        late = [text for text in troubles if text]
        if late:
            return Reply(status=503, body="\n".join(["not ready", *late, ""]).encode())
        return Reply(status=200, body=b"ready\n")

    def _healthy(self, _: Request) -> Reply:
        return Reply(status=200, body=b"healthy\n")

    def _index(self, _: Request) -> Reply:
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
