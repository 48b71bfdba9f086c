"""Waits for what the driver reports about one GPU by itself: XIDs and other events.

The third of a GPU's three threads (`gpu.worker`): an event that nobody waits for is lost.
"""

from __future__ import annotations

import threading
import time

from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuDevice, GpuFailed
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.record import GpuRecord

WAIT_SECONDS = 1.0
"""How long one wait takes at most; so long does the end of the thread take, too."""


class Watcher:
    """The events of one GPU, for whichever record it has."""

    def __init__(self, device: GpuDevice, halt: threading.Event, in_flight: CallsInFlight) -> None:
        self._device, self._halt, self._in_flight = device, halt, in_flight
        self._record: GpuRecord | None = None

    def step(self, record: GpuRecord) -> bool:
        """Wait once; return whether there is anything to wait for on this part. Losses pass through."""
        if record is not self._record:
            self.register(record)
        if not record.events.kinds:
            return False
        try:
            with self._in_flight.call():
                events = self._device.wait_events(WAIT_SECONDS)
        except GpuFailed:
            self._record = None  # register anew
            return True
        wall = time.time()
        for event in events:
            record.events.note(event, wall)
        return True

    def register(self, record: GpuRecord) -> None:
        """Ask for the GPU's events on behalf of `record`."""
        try:
            with self._in_flight.call():
                kinds = self._device.watch_events()
        except GpuAbsent:
            kinds = ()
        except GpuFailed:
            return
        if not self._halt.is_set():
            record.events.kinds, self._record = kinds, record

    def forget(self) -> None:
        """Register anew before the next wait: the GPU was lost, and its handle with it."""
        self._record = None
