"""The collector of OOM kills: of the whole host, and of each container that the kernel counts for.

Made by the command that runs the exporter. It needs no rights beyond reading /proc and /sys/fs/cgroup of the host; in
a container these have to be mounted, and for the names /var/log/containers (and /var/log/pods, for what has none there).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.collector import Round
from atlas_ops.exporter.oom import tree
from atlas_ops.exporter.oom.totals import OomTotals
from atlas_ops.exporter.samples import Sample, labels
from atlas_ops.exporter.workload.containers import ContainerNames

INTERVAL_SECONDS = 10.0
"""Below Prometheus's 15 s, and nothing is lost between two looks at a pod's own counter."""
_GOODBYE_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    """What one round found."""

    finished: float
    duration: float
    success: bool
    samples: tuple[Sample, ...]


class OomCollector:
    """Reads the kernel's counters below `host_root`. `clock` (seconds, never back) is a parameter for tests."""

    name = "oom"

    def __init__(
        self,
        host_root: Path,
        host_name: str,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval_seconds = interval_seconds
        self._host_root, self._clock = host_root, clock
        self._host = labels(host_name=host_name)
        self._names = ContainerNames(host_root)
        self._totals = OomTotals(self._names, clock)
        self._troubles: set[str] = set()
        self._result: _Result | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin the rounds."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_GOODBYE_SECONDS)

    @property
    def ready(self) -> bool:
        """Whether the first round is over."""
        return self._result is not None

    def collect(self) -> list[Sample]:
        """Return what the last round found; never waits."""
        return list(self._result.samples) if self._result else []

    def last_round(self) -> Round | None:
        """Return the last round; it failed when the kernel's counters could not be read."""
        result = self._result
        if result is None:
            return None
        age = self._clock() - result.finished
        return Round(age_seconds=age, duration_seconds=result.duration, success=result.success)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._result = self._round()
            self._stopping.wait(self.interval_seconds)

    def _round(self) -> _Result:
        began = self._clock()
        samples: list[Sample] = []
        success = True
        for part in (self._of_host, self._of_containers):
            try:
                samples += part()
            except OSError as error:
                success = False
                self._tell(error)
            except Exception:  # noqa: BLE001 (logged whole; it must not end the thread)
                success = False
                _log.exception("OOM kills could not be read")
        now = self._clock()
        return _Result(finished=now, duration=now - began, success=success, samples=tuple(samples))

    def _of_host(self) -> list[Sample]:
        kills = tree.counter(self._host_root / "proc/vmstat", tree.KEY)
        return [] if kills is None else [Sample(s.HOST_OOM_KILLS, self._host, float(kills))]

    def _of_containers(self) -> list[Sample]:
        self._names.refresh()
        totals = self._totals.update(tree.scan(self._host_root / "sys/fs/cgroup"))
        return [Sample(s.CONTAINER_OOM_KILLS, self._host + who, float(kills)) for who, kills in totals]

    def _tell(self, error: OSError) -> None:
        """Say what cannot be read, once; it is looked at again in every round."""
        trouble = f"{error.filename}: {error.strerror}"
        if trouble not in self._troubles:
            self._troubles.add(trouble)
            _log.warning(
                "OOM kills are not all told: %s (to do: in a container, mount the host's /proc and /sys and give "
                "exporter.host_root; outside, let this user read it)",
                trouble,
            )
