"""One GPU's three threads: the reader, the sampler and the watcher, and what they tell each other of its life and loss.

Started by `gpu.collector` for every GPU, so that a driver call that never returns costs no other GPU anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import GpuDevice, GpuForbidden, GpuLost, GpuUnavailable
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.reader import Reader
from atlas_ops.exporter.gpu.record import GpuRecord
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.sampler import Sampler
from atlas_ops.exporter.gpu.watcher import Watcher
from atlas_ops.exporter.samples import Sample, labels

_log = logging.getLogger(__name__)

_IDLE_SECONDS = 0.2
"""How often a thread looks whether a lost GPU is back, or events can be waited for again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often a GPU is asked, in seconds; `limit` is how long a call may take before it counts as hung."""

    sample: float
    read: float
    limit: float


class GpuWorker:
    """Asks one GPU until `halt` is set, the driver is gone, or the GPU turns out to be somebody else's."""

    def __init__(
        self,
        device: GpuDevice,
        roster: GpuRoster,
        halt: threading.Event,
        *,
        collector: str,
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self._collector = collector
        self._index, self._halt, self._defect = device.index, halt, False
        self._in_flight = CallsInFlight(clock)
        self._reader = Reader(device, roster, halt, self._in_flight, seconds=pace.read, limit=pace.limit, clock=clock)
        self._sampler = Sampler(device, halt, self._in_flight, seconds=pace.sample, clock=clock)
        self._watcher = Watcher(device, halt, self._in_flight)
        self._threads = [
            threading.Thread(target=target, name=f"gpu-{device.index}-{name}", daemon=True)
            for name, target in (("sampler", self._sample), ("watcher", self._watch))
        ]

    @property
    def driver_gone(self) -> bool:
        """Whether the driver has to be opened anew."""
        return self._reader.driver_gone

    @property
    def forbidden(self) -> bool:
        """Whether the GPU is somebody else's."""
        return self._reader.forbidden

    @property
    def lost_since(self) -> float | None:
        """Since when the GPU does not answer."""
        return self._reader.lost_since

    def start(self) -> None:
        """Start the threads."""
        self._reader.relay.start()
        for thread in self._threads:
            thread.start()

    def watch(self) -> None:
        """Do what the supervisor has to do now and then: see that a question that hangs does not hold up the others."""
        self._reader.relay.watch()

    def threads(self) -> list[threading.Thread]:
        """Return the threads that have not ended."""
        return self._reader.relay.threads() + [thread for thread in self._threads if thread.is_alive()]

    def samples(self, now: float) -> Iterator[Sample]:
        """Yield how far this GPU's measurements can be trusted."""
        if self.forbidden:
            return
        who = labels(collector=self._collector, gpu=str(self._index))
        gap = self._sampler.gap.longest(now)
        if gap is not None:
            yield Sample(s.EXPORTER_TICK_GAP, who, gap)
        yield Sample(s.EXPORTER_CALL_IN_FLIGHT, who, self._in_flight.oldest_seconds(now))
        yield Sample(
            s.EXPORTER_GPU_FAILING, who, float(self._reader.failing + self._sampler.failing + self._watcher.failing)
        )

    def _sample(self) -> None:
        while not (self._halt.is_set() or self._over()):
            # Not `halt.wait`: it costs three times as much, and the end of the thread can wait for one sample.
            time.sleep(self._sampler.delay())
            record = self._reader.record
            if record is None:
                self._halt.wait(_IDLE_SECONDS)
            else:
                self._try(self._sampler.step, record)

    def _watch(self) -> None:
        while not (self._halt.is_set() or self._over()):
            record = self._reader.record
            if record is None or not self._try(self._watcher.step, record):
                self._halt.wait(_IDLE_SECONDS)

    def _over(self) -> bool:
        return self._reader.driver_gone or self._reader.forbidden

    def _try(self, step: Callable[[GpuRecord, int], object], record: GpuRecord) -> object:
        """Take a step. A loss that it meets is left to the reader, which finds out by itself what is true of it."""
        try:
            return step(record, self._reader.meetings)
        except (GpuLost, GpuUnavailable, GpuForbidden):
            return None
        except Exception:  # noqa: BLE001
            # Logged whole, once: a thread that ends costs its signals for good, one that goes on may find better times.
            if not self._defect:
                _log.exception("GPU %d: the backend has a defect", self._index)
            self._defect = True
            return None
