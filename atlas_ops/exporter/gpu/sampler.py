"""Samples one GPU's throttle reasons ten times a second, and weighs the hardware's counters against what it saw.

The second of a GPU's three threads (`gpu.worker`), apart from the reader, so that a slow question costs no sample. The
counters are read by the reader: they come by a call that may hang by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuDevice, GpuFailed
from atlas_ops.exporter.gpu.calls_in_flight import CallsInFlight
from atlas_ops.exporter.gpu.grid import to_next
from atlas_ops.exporter.gpu.record import GpuRecord
from atlas_ops.exporter.gpu.throttle import TickGap
from atlas_ops.exporter.gpu.throttle_ledger import CounterReading, Moment

MISSED_SECONDS = 5.0
"""Without a reading of the counters for so long, the sampler's own sums count."""

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
        self._looked_at = clock()
        self._taken: CounterReading | None = None
        self._mask: int | None = None
        self._meeting = 0
        self._has_bits = False

    def step(self, record: GpuRecord, meeting: int) -> None:
        """Take one sample for `record`. `meeting` counts how often the GPU was met. GpuLost and GpuUnavailable pass through."""
        if meeting != self._meeting:
            self._meeting, self._mask, self._has_bits = meeting, None, False
        if self._mask is None:
            self._mask = self._ask(self._device.throttle_mask)
            record.throttle_now.mask = self._mask
        if not self._mask:
            return
        bits = self._ask(self._device.throttle_bits)
        self._has_bits = self._has_bits or bits is not None
        moment = self._moment(self._seconds if self._has_bits else 0.0)
        if bits is not None:
            record.throttle_now.bits, record.throttle_now.at = bits, moment.now
            self.gap.tick(moment.now)
        if not self._halt.is_set():
            if bits is not None or not self._has_bits:  # a call that failed is one sample less, not an off
                record.throttle.sample(bits or 0, moment)
            self._look(record, moment)

    def _look(self, record: GpuRecord, moment: Moment) -> None:
        reading = record.counters
        if reading is None or reading is self._taken:
            if moment.now - self._looked_at < MISSED_SECONDS:
                return
            reading = CounterReading(counters={}, at=moment.now)
        else:
            self._taken = reading
        self._looked_at = moment.now
        record.throttle.look(reading.counters, replace(moment, now=reading.at))

    def _moment(self, period: float) -> Moment:
        """Return the moment of an answer, not of its question: a call may have been stuck for an hour."""
        return Moment(now=self._clock(), wall=time.time(), period=period)

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
