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
        self._meeting = 0
        self.failing = False
        """Whether events cannot be registered for, or waited for, just now."""

    def step(self, record: GpuRecord, meeting: int) -> bool:
        """Wait once; return whether to wait again at once. `meeting` counts how often the GPU was met. Losses pass through."""
        if meeting != self._meeting:
            self.register(record)
            self._meeting = 0 if self.failing else meeting
        if self.failing or not record.events.kinds:
            return False
        try:
            with self._in_flight.call(expected_seconds=WAIT_SECONDS):
                events = self._device.wait_events(WAIT_SECONDS)
        except GpuAbsent:
            record.events.kinds = ()
            return False
        except GpuFailed:
            self._meeting, self.failing = 0, True  # register anew, after a pause
            return False
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
            self.failing = True
            return
        self.failing = False
        if not self._halt.is_set():
            record.events.kinds = kinds
