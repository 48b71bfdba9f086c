"""Says whose a GPU and a process are, at once, from what a thread of its own keeps fresh.

Made by the command that runs the exporter, which hands it to the GPU collector (`gpu.backend.Workloads`). It puts no
sample of its own on the page; `atlas_exporter_collector_success{collector="workload"}` tells how it is doing.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.collector import Round
from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuInstance
from atlas_ops.exporter.samples import Labels, Sample, labels
from atlas_ops.exporter.workload.cgroup import Place
from atlas_ops.exporter.workload.containers import Container, ContainerNames, workload_labels
from atlas_ops.exporter.workload.kubelet import Kubelet
from atlas_ops.exporter.workload.podresources import Holding
from atlas_ops.exporter.workload.processes import Process, Processes

INTERVAL_SECONDS = 10.0
TIMEOUT_SECONDS = 5.0
"""For one whole answer of the kubelet; it takes milliseconds when it is well."""
MAX_WORKLOADS = 128
"""Workloads of one GPU that are told; time-slicing into more is not sensible."""
_FIRST_RETRY_SECONDS = 1.0
_MEET_SECONDS = 0.1
"""The shortest time between two looks at processes that were never seen before."""
_EXCLUSIVE, _SHARED = c.SHARING
_log = logging.getLogger(__name__)


class WorkloadCollector:
    """Asks the kubelet behind `socket` and the process table below `host_root`. `clock` is a parameter for tests."""

    name = "workload"

    def __init__(
        self,
        host_root: Path,
        socket: Path,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval_seconds = interval_seconds
        self._clock = clock
        self._kubelet = Kubelet(socket, timeout_seconds=timeout_seconds, clock=clock)
        self._names = ContainerNames(host_root)
        self._processes = Processes(host_root, clock)
        self._failures = 0
        self._last: tuple[float, float, bool] | None = None
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin the rounds."""
        self._thread.start()

    def stop(self) -> None:
        """End the running round and the thread."""
        self._stopping.set()
        self._wake.set()
        self._kubelet.close()
        if self._thread.is_alive():
            self._thread.join(timeout=TIMEOUT_SECONDS)

    @property
    def ready(self) -> bool:
        """Whether the first round is over."""
        return self._last is not None

    def collect(self) -> list[Sample]:
        """Return nothing: what is known here stands on the samples of the GPUs."""
        return []

    def last_round(self) -> Round | None:
        """Return the last round; it failed when the kubelet is there and did not answer."""
        if self._last is None:
            return None
        finished, duration, success = self._last
        return Round(age_seconds=self._clock() - finished, duration_seconds=duration, success=success)

    def allocatable(self) -> int | None:
        """Return how many GPUs the device plugins offered at most (`Kubelet.allocatable`)."""
        return self._kubelet.allocatable()

    def of_process(self, pid: int) -> Labels:
        """Return `process` and whose it is; nothing until the thread has seen it, which takes milliseconds."""
        process = self._process(pid)
        return labels(process=process.name) + self._names.labels(process.place) if process else ()

    def of_gpu(self, gpu: GpuIdentity, instance: GpuInstance | None, pids: Sequence[int]) -> Sequence[Labels]:
        """Return whose a GPU is: by the kubelet's word, and where it has none, by the processes."""
        places = [process.place for pid in pids if (process := self._process(pid))]
        held = self._kubelet.holdings(gpu, instance)
        if not held:
            return _told(self._names.labels(place) for place in places)
        holders = _holders(held, {self._names.of(place) for place in places})
        sliced = any(holding.device.replica for holding in held)
        return _told((workload_labels(holder, Place()) for holder in holders), shared=sliced)

    def _process(self, pid: int) -> Process | None:
        process = self._processes.of(pid)
        if process is None:
            self._wake.set()
        return process

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = self._clock()
            success = self._attempt(self._round)
            if self._stopping.is_set():
                return
            self._failures = 0 if success else self._failures + 1
            self._last = (self._clock(), self._clock() - began, success)
            self._rest(self._delay())

    def _round(self) -> bool:
        self._processes.refresh()
        self._names.refresh()
        return self._kubelet.refresh()

    def _rest(self, seconds: float) -> None:
        """Wait for the next round, but look at once at a process that somebody asks for."""
        end = time.monotonic() + seconds
        while not self._stopping.is_set() and self._wake.wait(max(0.0, end - time.monotonic())):
            self._wake.clear()
            self._attempt(self._meet)
            self._stopping.wait(_MEET_SECONDS)

    def _meet(self) -> bool:
        self._processes.read_new()
        self._names.refresh()  # what is new is mostly in a new container
        return True

    def _delay(self) -> float:
        """Return the time to the next round; after a failure soon, then ever later, and no two nodes at the same time."""
        if not self._failures:
            return self.interval_seconds * random.uniform(0.9, 1.1)  # noqa: S311 (no secret)
        # Twice the interval at most: data counts as late after three.
        longest = min(_FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 10), 2 * self.interval_seconds)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)

    def _attempt(self, step: Callable[[], bool]) -> bool:
        try:
            return step()
        except Exception:  # noqa: BLE001 (logged whole; it must not end the thread)
            _log.exception("whose the GPUs are could not be found out")
            return False


def _holders(held: Sequence[Holding], active: set[Container | None]) -> list[Container]:
    """Return who holds a device, each once.

    A device plugin gives one id to one container at a time, but many kubelets list pods that have ended as well
    (kubernetes/kubernetes#119423): of several, those with a process on the device count.
    """
    holders = list(dict.fromkeys(holding.holder for holding in held))
    if len(holders) > 1 and not any(holding.device.replica or holding.claimed for holding in held):
        holders = [holder for holder in holders if holder in active] or holders
    return holders


def _told(workloads: Iterable[Labels], *, shared: bool = False) -> Sequence[Labels]:
    """Return each workload once with `sharing` behind it."""
    found = [workload for workload in dict.fromkeys(workloads) if workload][:MAX_WORKLOADS]
    sharing = labels(sharing=_SHARED if shared or len(found) > 1 else _EXCLUSIVE)
    return [workload + sharing for workload in found]
