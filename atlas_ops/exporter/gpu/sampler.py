"""Samples one GPU's throttle reasons ten times a second.

The second of a GPU's three threads (`gpu.worker`), apart from the reader, so that a slow question costs no sample.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuDevice, GpuFailed
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.grid import to_next
from atlas_ops.exporter.gpu.record import GpuRecord
from atlas_ops.exporter.gpu.throttle import TickGap
from atlas_ops.exporter.gpu.throttle_ledger import Moment

SILENT_SECONDS = 1.0
"""Without an answer for so long, sampling fails."""

_T = TypeVar("_T")


class Sampler:
    """The sampling of one GPU, for whichever record it has."""

    def __init__(
        self,
        device: GpuDevice,
        halt: threading.Event,
        in_flight: CallsInFlight,
        *,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.gap = TickGap()
        self._device, self._halt, self._in_flight, self._seconds, self._clock = device, halt, in_flight, seconds, clock
        self._mask: int | None = None
        self._meeting = 0

    def step(self, record: GpuRecord, meeting: int) -> None:
        """Take one sample for `record`. `meeting` counts how often the GPU was met. GpuLost and GpuUnavailable pass through."""
        if meeting != self._meeting:
            self._meeting, self._mask = meeting, None
        if self._mask is None:
            self._mask = self._ask(self._device.throttle_mask)
            if self._mask is None:
                return  # what was known of the part before goes on to hold
            record.throttle_now.mask = self._mask
        if not self._mask:
            return
        bits = self._ask(self._device.throttle_bits)
        now = self._clock()  # of the answer, not of the question: a call may have been stuck for an hour
        if bits is not None and not self._halt.is_set():
            record.throttle_now.bits, record.throttle_now.at = bits, now
            record.throttle.sample(bits, Moment(now=now, wall=time.time()), self._seconds)
            self.gap.tick(now)

    @property
    def failing(self) -> bool:
        """Whether the driver used to tell the reasons, and does not any more."""
        last = self.gap.last
        return bool(self._mask) and last is not None and self._clock() - last > SILENT_SECONDS + self._seconds

    def _ask(self, question: Callable[[], _T]) -> _T | None:
        """Ask the driver; None when it does not say this time. A call that returns behind the halt says nothing."""
        answer = None
        try:
            with self._in_flight.call():
                answer = question()
        except (GpuAbsent, GpuFailed):
            pass
        return None if self._halt.is_set() else answer

    def delay(self) -> float:
        """Return the seconds to the next slot of the sampling grid; missed slots are left out."""
        return to_next(self._clock(), self._seconds)
