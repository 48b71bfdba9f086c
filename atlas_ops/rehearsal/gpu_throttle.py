"""How long a simulated GPU was held down, as the exporter tells it: from the true times of the driver. Called by `gpus`.

The exporter samples ten times a second what the hardware does not count; here nothing is missed, and a stretch of scrapes
counts as one event.
"""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS, ThrottleTotals
from atlas_ops.exporter.gpu.throttle_ledger import HARDWARE_COUNTER, SAMPLED, ThrottleLedger, ThrottleStory
from atlas_ops.exporter.nvml.device import NvmlDevice
from atlas_ops.simulator.reasons import time_of
from atlas_ops.simulator.state import GpuState


class TrueThrottle(ThrottleLedger):
    """A ledger that reads the simulated driver's true times: there is nothing to sample between two scrapes."""

    def __init__(self) -> None:
        super().__init__()
        self.by_reason: dict[str, ThrottleStory] = {}
        self._counted: frozenset[str] | None = None
        self._first: dict[str, float] = {}
        self._runs: dict[str, float] = {}

    @property
    def seen(self) -> frozenset[str]:
        """The reasons that were on since the exporter began."""
        return frozenset(reason for reason, story in self.by_reason.items() if story.last_seen is not None)

    def read(self, gpu: GpuState, device: NvmlDevice, now: float) -> None:
        """Take in the times of one scrape."""
        if self._counted is None:
            self._counted = frozenset(device.throttle_counters())
        for reason, bit in THROTTLE_BITS:
            seconds = time_of(gpu.throttle_times, bit) / 1e9
            counted = reason in self._counted
            # What the sampler adds up begins with the exporter; the hardware's counters with the driver.
            seconds -= 0.0 if counted else self._first.setdefault(reason, seconds)
            self.by_reason[reason] = self._story(reason, seconds, HARDWARE_COUNTER if counted else SAMPLED, now)

    def stories(self, mask: int) -> tuple[ThrottleStory, ...]:
        """Return what is told of each reason in `mask`."""
        return tuple(self.by_reason[reason] for reason, bit in THROTTLE_BITS if bit & mask and reason in self.by_reason)

    def _story(self, reason: str, seconds: float, source: str, now: float) -> ThrottleStory:
        """Return the next story: a stretch of scrapes in which the reason was on counts as one event."""
        known = self.by_reason.get(reason)
        totals = known.totals if known else ThrottleTotals(reason=reason, seconds=seconds, events=0, longest=0.0)
        gained, before = seconds - totals.seconds, self._runs.get(reason, 0.0)
        run = self._runs[reason] = before + gained if gained > 0 else 0.0
        events, longest = totals.events + (run > 0 and not before), max(totals.longest, run)
        last_seen = now if gained > 0 else known.last_seen if known else None
        return ThrottleStory(
            totals=replace(totals, seconds=seconds, events=events, longest=longest), source=source, last_seen=last_seen
        )
