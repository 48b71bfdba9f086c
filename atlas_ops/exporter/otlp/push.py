"""Pushes what was collected to an OpenTelemetry receiver at an interval, in a thread of its own.

Made by the command that runs the exporter where `exporter.otlp_endpoint` is set. A receiver that is down, hangs or
refuses costs its own pushes only: nothing waits for it and nothing piles up, since each push tells the newest state and
counters are cumulative.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from atlas_ops import __version__
from atlas_ops.catalog import signals as s
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.exporter.otlp.series import Series
from atlas_ops.exporter.samples import Sample, labels

TIMEOUT_SECONDS = 10.0
"""For one push with all its attempts; OpenTelemetry's default."""
MAX_BACKOFF_SECONDS = 300.0
"""A receiver that comes back is found within five minutes."""
_GOODBYE_SECONDS = 2.0
_OK, _FAILED = "ok", "failed"

_log = logging.getLogger(__name__)


class Push:
    """Pushes to one receiver; `start` and `stop` are to be called once.

    `collect` returns the samples of this moment and must not wait; model servers' and the exporter's own among them are
    left out. After a failure the pause doubles with each further one, up to five minutes (or the interval, where that
    is longer), and is at least what the receiver asks for. To the page it is a collector like the others.
    """

    name = "otlp"
    ready = True

    def __init__(
        self,
        endpoint: str,
        interval_seconds: float,
        collect: Callable[[], Sequence[Sample]],
        host_name: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """EnvironmentProblem when OpenTelemetry's packages are not installed."""
        try:
            from atlas_ops.exporter.otlp import sender  # noqa: PLC0415 - optional, and 15 MiB
        except ImportError as error:
            raise EnvironmentProblem(
                f"exporter.otlp_endpoint is set, and OpenTelemetry's packages cannot be imported ({error})",
                next_step="pip install 'atlas-ops[otlp]', or leave out exporter.otlp_endpoint",
            ) from error
        resource = {"service.name": "atlas-ops-exporter", "service.version": __version__, "host.name": host_name}
        self._endpoint, self._interval, self._measured = endpoint, interval_seconds, collect
        self._outcome = sender.Outcome
        self._sender = sender.Sender(endpoint, timeout_seconds=timeout_seconds, resource=resource)
        self._series = Series(time.time_ns)
        self._counts = {_OK: 0, _FAILED: 0}
        self._failures = 0
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-push", daemon=True)

    def start(self) -> None:
        """Begin to push, one interval from now; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End within two seconds. A request in flight to a hanging receiver is left behind and ends by its timeout."""
        self._stop.set()
        self._sender.close()
        if self._thread.ident is not None:
            self._thread.join(_GOODBYE_SECONDS)

    def collect(self) -> list[Sample]:
        """Return how the pushes went, for the exporter's own page."""
        return [
            Sample(s.EXPORTER_PUSHES, labels(result=result), float(count)) for result, count in self._counts.items()
        ]

    def _run(self) -> None:
        pause = self._interval
        while not self._stop.wait(pause):
            pause = self._push()

    def _push(self) -> float:
        """Push once; return the seconds to the next time."""
        try:
            outcome = self._sender.send(self._series.metrics(self._measured()))
        except Exception:  # noqa: BLE001 (logged whole; one odd sample must not end the thread)
            _log.exception("OTLP push: the metrics could not be made")
            outcome = self._outcome(problem="the metrics could not be made", in_order=False)
        self._counts[_FAILED if outcome.problem else _OK] += 1
        self._failures = 0 if outcome.in_order else self._failures + 1
        self._tell(outcome.problem)
        longest = max(MAX_BACKOFF_SECONDS, self._interval)
        doubled = self._interval * 2.0 ** min(max(self._failures - 1, 0), 20)
        return min(max(doubled, outcome.pause_seconds), longest)

    def _tell(self, problem: str) -> None:
        """Log when it begins to fail, when it fails in another way, and when it works again; not each time."""
        if problem and problem != self._problem and not self._stop.is_set():
            _log.warning("OTLP push to %s fails: %s; going on trying", self._endpoint, problem)
        elif not problem and self._problem:
            _log.info("OTLP push to %s works again", self._endpoint)
        self._problem = problem
