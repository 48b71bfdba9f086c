"""One AMD GPU as the collector sees it; made by `exporter.amd.backend`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from atlas_ops.exporter.amd.card import Card
from atlas_ops.exporter.amd.questions import questions
from atlas_ops.exporter.amd.throttling import ResidencyMeter, possible_bits, status_bits
from atlas_ops.exporter.gpu.backend import GpuAbsent, GpuEvent, GpuFailed, GpuIdentity, Question


class AmdDevice:
    """A GPU for the collector: its answers come from `card`, the time of a look at its throttling from `clock`.

    Throttling comes from the firmware's table: where it counts residencies (MI300), time and bits are derived from these;
    where it has a status (MI200, RX 6000 and later), its bits are sampled; other parts have neither and are not asked.
    """

    def __init__(self, index: int, card: Card, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._index, self._card, self._clock = index, card, clock
        self._uuid = ""
        self._questions: tuple[Question, ...] = ()
        self._mask = 0
        self._residencies = ResidencyMeter()

    counters_call = ""
    """They come from memory: nothing can hang."""

    @property
    def index(self) -> int:
        """Its place in the order of PCI addresses."""
        return self._index

    def identify(self) -> GpuIdentity:
        """Say who the GPU is; one that has no readable serial number is known by its PCI address."""
        try:
            self._uuid = f"GPU-{self._card.unique_id()}"
        except (GpuAbsent, GpuFailed):
            self._uuid = self._uuid or self._card.address
        return GpuIdentity(index=self._index, uuid=self._uuid, pci_bus_id=self._card.address)

    def questions(self) -> Sequence[Question]:
        """Return what the card can be asked; decided once, so that the names stay the same."""
        self._questions = self._questions or questions(self._card)
        return self._questions

    def throttle_mask(self) -> int:
        """Return the reasons that this part can report."""
        try:
            self._mask = possible_bits(self._card.metrics())
        except GpuAbsent:
            self._mask = 0
        return self._mask

    def throttle_bits(self) -> int | None:
        """Return the reasons of this moment. A failed read is one sample less."""
        if not self._mask and not self.throttle_mask():
            return None
        try:
            metrics = self._card.metrics()
        except (GpuAbsent, GpuFailed):
            return None
        if metrics.cycles is None:
            return None if metrics.throttle_status is None else status_bits(metrics.throttle_status)
        now = self._clock()
        self._residencies.look(metrics, now)
        return self._residencies.bits(now)

    def throttle_counters(self) -> Mapping[str, int]:
        """Return the nanoseconds of throttling as of the last `throttle_bits`; a restart of the exporter begins at 0."""
        return self._residencies.nanoseconds

    def watch_events(self) -> tuple[str, ...]:
        """Return no kinds: the kernel's files report no events."""
        return ()

    def wait_events(self, seconds: float) -> Sequence[GpuEvent]:
        """Return nothing after `seconds`; nobody waits who was told that there are no kinds."""
        time.sleep(seconds)
        return ()
