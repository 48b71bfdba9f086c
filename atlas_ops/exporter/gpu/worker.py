"""One GPU's own thread: samples its throttle bits ten times a second and reads everything once a second.

Started by `exporter.gpu.collector` for every GPU, so that a driver call that never returns costs no other GPU anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from atlas_ops.exporter.gpu.backend import GpuDevice, GpuForbidden, GpuLost, GpuUnavailable
from atlas_ops.exporter.gpu.record import GpuRoster

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often a GPU is asked, in seconds."""

    sample: float
    read: float


class GpuWorker:
    """Asks one GPU until `halt` is set, the driver is gone, or the GPU turns out to be somebody else's."""

    def __init__(
        self,
        device: GpuDevice,
        roster: GpuRoster,
        halt: threading.Event,
        *,
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self.driver_gone = self.forbidden = False
        self.lost_since: float | None = None
        self._device, self._roster, self._halt, self._pace, self._clock = device, roster, halt, pace, clock
        self._record, self._gap = roster.expect(device.index, clock()), roster.gap(device.index)
        self._met = False
        self._sample_due = self._read_due = clock()

    def run(self) -> None:
        """Work; the target of the thread."""
        delay = 0.0
        while not (self.driver_gone or self.forbidden or self._halt.wait(delay)):
            delay = self.step()

    def step(self) -> float:
        """Ask what is due now and return the seconds until something is due again."""
        try:
            if not self._met:
                self._meet()
            self._sample()
            if self._clock() >= self._read_due:
                self._read()
        except _Halted:
            pass
        except GpuForbidden as refusal:
            _log.info("GPU %d is left out: %s", self._device.index, refusal.message)
            self._roster.leave_out(self._device.index)
            self.forbidden = True
        except GpuUnavailable as trouble:
            self._lose(trouble)
            self.driver_gone = True
        except GpuLost as trouble:
            self._lose(trouble)
        return self._delay()

    def _meet(self) -> None:
        identity = self._ask(self._device.identify)
        self._record = self._roster.claim(identity, self._clock())
        self._met = True
        self._read_due = self._clock()

    def _sample(self) -> None:
        bits = self._ask(self._device.throttle_bits)
        if bits is not None:
            # The moment of the answer, not of the question: a call may have been stuck for an hour.
            now = self._clock()
            self._record.meter.sample(bits, now)
            self._gap.tick(now)

    def _read(self) -> None:
        asked_at = self._clock()  # the age of a reading is that of its oldest value
        self._read_due = asked_at + self._pace.read
        reading = self._ask(self._device.read)
        self.lost_since = None
        if self._record.accept(reading, asked_at):
            _log.info("GPU %d answers again", self._device.index)

    def _ask(self, question: Callable[[], _T]) -> _T:
        """Call the driver. A call that comes back after the halt must not touch what a new worker owns by then."""
        try:
            return question()
        finally:
            if self._halt.is_set():
                raise _Halted

    def _lose(self, trouble: GpuLost | GpuUnavailable) -> None:
        self._met = False
        if self.lost_since is None:
            self.lost_since = self._clock()
        if self._record.lose():
            _log.warning("GPU %d does not answer: %s", self._device.index, trouble.message)

    def _delay(self) -> float:
        """Seconds to the next slot of the sampling grid; missed slots are left out. A lost GPU is asked less often."""
        if not self._met:
            return self._pace.read
        now = self._clock()
        missed = max(0, int((now - self._sample_due) / self._pace.sample))
        self._sample_due += self._pace.sample * (missed + 1)
        return max(0.0, self._sample_due - now)


class _Halted(Exception):
    """The worker was told to end while it waited for the driver."""
