"""The GPU collector: keeps a driver open, one worker per GPU at work, and the newest state ready for the page.

Made by the command that runs the exporter, with the backend of a vendor; `collect` is called for every page.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from atlas_ops.exporter.collector import Round
from atlas_ops.exporter.gpu.backend import GpuBackend, GpuDevice, GpuNone, GpuUnavailable, Workloads
from atlas_ops.exporter.gpu.record import Freshness
from atlas_ops.exporter.gpu.roster import GpuRoster
from atlas_ops.exporter.gpu.worker import GpuWorker, Pace
from atlas_ops.exporter.samples import Sample

CALL_LIMIT_SECONDS = 5.0
"""A driver call in flight for longer counts as stuck: healthy ones take micro- to milliseconds."""
_CHECK_SECONDS = 0.5
_GOODBYE_SECONDS = 2.0

_log = logging.getLogger(__name__)


class GpuCollector:
    """Measures the GPUs of one vendor on this machine.

    `workloads` knows who uses them. `sample_seconds` and `read_seconds` pace the throttle sampler and the questions;
    `retry_seconds` is the shortest time between two attempts to open the driver. An answer that is older than 5 s (or two
    rounds, where these are slower) is told no more, and a GPU that has not answered for so long is told as down: its gauges
    vanish, its counters stay. The clock (seconds, never backwards) is a parameter for tests.
    """

    interval_seconds = CALL_LIMIT_SECONDS
    """How long the driver may take to open: after three times as long the exporter is not ready."""

    def __init__(
        self,
        backend: GpuBackend,
        *,
        host_name: str,
        workloads: Workloads,
        sample_seconds: float = 0.1,
        read_seconds: float = 1.0,
        retry_seconds: float = 60.0,
        call_limit_seconds: float = CALL_LIMIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = backend.name
        self._backend, self._host_name, self._workloads, self._clock = backend, host_name, workloads, clock
        self._limit = max(call_limit_seconds, 2 * read_seconds)
        self._pace = Pace(sample=sample_seconds, read=read_seconds, limit=self._limit)
        self._retry_seconds = retry_seconds
        self._roster = GpuRoster()
        self._workers: tuple[GpuWorker, ...] = ()
        self._stop = threading.Event()
        self._tried = False
        self._trouble = ""
        self._works = True
        self._opening_since: float | None = None
        self._opened_in = 0.0
        # Opening a driver can take seconds and can get stuck, so that too has a thread of its own.
        self._supervisor = threading.Thread(target=self._supervise, name="gpu-supervisor", daemon=True)

    def start(self) -> None:
        """Begin to measure; returns at once. To be called once."""
        self._supervisor.start()

    def stop(self) -> None:
        """End all threads. One that is stuck in the driver is left behind after some seconds; it ends with its call."""
        self._stop.set()
        if self._supervisor.ident is None:
            return
        self._supervisor.join(1.5 * _GOODBYE_SECONDS)
        if self._supervisor.is_alive():
            _log.warning("the GPU driver does not let go; its thread is left behind")

    @property
    def ready(self) -> bool:
        """Whether the driver was tried and every GPU has answered, failed, or had its 5 seconds."""
        return self._tried and self._roster.all_settled(self._freshness())

    def last_round(self) -> Round | None:
        """Return how the driver does: it failed when it cannot be opened although there is one, or hangs at that.

        Whether each GPU answers, and since when not, is told by the GPUs.
        """
        opening = self._opening_since
        age = 0.0 if opening is None else self._clock() - opening
        works = self._works and age <= self._limit
        return Round(age_seconds=age, duration_seconds=self._opened_in, success=works) if self._tried or age else None

    def collect(self) -> list[Sample]:
        """Return the newest known state. Never waits for the driver."""
        fresh = self._freshness()
        samples: list[Sample] = []
        for record in self._roster.settled(fresh):
            samples.extend(record.samples(self._host_name, fresh, self._workloads))
        for worker in self._workers:
            samples.extend(worker.samples(fresh.now))
        return samples

    def _freshness(self) -> Freshness:
        return Freshness(now=self._clock(), limit=self._limit)

    def _supervise(self) -> None:
        while not self._stop.is_set():
            opened_at = self._clock()
            devices = self._open()
            if devices and self._stop.is_set():
                self._backend.close()  # it took so long to open that nobody wants it any more
            elif devices:
                self._serve(devices)
            self._tried = True
            self._stop.wait(max(0.0, opened_at + self._retry_seconds - self._clock()))

    def _open(self) -> Sequence[GpuDevice]:
        self._opening_since = began = self._clock()
        try:
            devices = self._backend.open()
        except GpuUnavailable as trouble:
            self._works = isinstance(trouble, GpuNone)
            if trouble.message != self._trouble:
                self._trouble = trouble.message
                _log.info(
                    "no GPU is measured: %s; trying again every %g s (to do: %s)",
                    trouble.message,
                    self._retry_seconds,
                    trouble.next_step,
                )
            return ()
        except Exception:  # noqa: BLE001 (logged whole; it may open the next time)
            _log.exception("the GPU driver cannot be opened")
            self._works = False
            return ()
        finally:
            self._opening_since, self._opened_in = None, self._clock() - began
        self._works = True
        self._trouble = ""
        _log.info("measuring %d GPU(s)", len(devices))
        return devices

    def _serve(self, devices: Sequence[GpuDevice]) -> None:
        """Let a worker ask each GPU until the collector stops or the driver has to be opened anew."""
        halt = threading.Event()
        self._workers = tuple(
            GpuWorker(device, self._roster, halt, collector=self.name, pace=self._pace, clock=self._clock)
            for device in devices
        )
        self._tried = True  # from here on the roster knows whom it waits for
        for worker in self._workers:
            worker.start()
        while not (self._stop.wait(_CHECK_SECONDS) or self._driver_lost(self._workers)):
            for worker in self._workers:
                worker.watch()
        halt.set()
        last = time.monotonic() + _GOODBYE_SECONDS
        threads = [thread for worker in self._workers for thread in worker.threads()]
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            # Closing under a call in flight could crash or hang; the driver's library counts its users, so the next
            # open works without.
            _log.warning("a call to the GPU driver does not return; its thread is left behind")
        else:
            self._backend.close()

    def _driver_lost(self, workers: Sequence[GpuWorker]) -> bool:
        """Whether a worker says so, or not one GPU has answered for as long as an attempt is apart from the next."""
        if any(worker.driver_gone for worker in workers):
            return True
        since = [worker.lost_since for worker in workers if not worker.forbidden]
        return bool(since) and all(lost is not None and self._clock() - lost >= self._retry_seconds for lost in since)
