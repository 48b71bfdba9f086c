"""Throttling measured by sampling: how long, how often and how long at most the clocks were held down, by reason.

Pure arithmetic over (bits, time) pairs. Fed ten times a second, and told, by `exporter.gpu.throttle_ledger`. At that pace every throttle of 200 ms or more is seen, which no poller at scrape time can say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atlas_ops.catalog import conventions

MAX_CREDIT_SECONDS = 1.0
"""The most that one interval between two samples may add: nobody knows what happened in a longer one."""

_NVML_BITS = {
    "gpu_idle": 0x1,
    "applications_clocks": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
    "display_clocks": 0x100,
}
THROTTLE_BITS: tuple[tuple[str, int], ...] = tuple(
    (reason, _NVML_BITS[reason]) for reason in conventions.THROTTLE_REASONS
)
"""(reason, bit) in the contract's order. The bits are those of nvml.h (`nvmlClocksEventReason...`); the two that only
the older `nvmlClocksThrottleReason...` names have, 0x200 and 0x400, are no words of the contract."""
EVERY_REASON = sum(bit for _, bit in THROTTLE_BITS)


@dataclass(frozen=True, kw_only=True, slots=True)
class ThrottleTotals:
    """What was seen of one reason since the meter was made; times in seconds."""

    reason: str
    seconds: float
    events: int
    longest: float


class ThrottleMeter:
    """Integrates throttle bits over time.

    A reason seen active counts as active until the next sample (the expected value of that sum is the true time). A
    gap of more than a second adds one second and ends the run that `longest` is made of; only a reason that was off
    before and is on behind it counts as an event, for it must have begun in between.
    """

    def __init__(self) -> None:
        self._accounts = tuple(_Account(reason, bit) for reason, bit in THROTTLE_BITS)
        self._bits = 0
        self._at: float | None = None

    def sample(self, bits: int, now: float) -> None:
        """Take in the reasons that were active at `now` (seconds of a clock that never runs backwards)."""
        if self._at is not None:
            elapsed = max(0.0, now - self._at)
            credit = min(elapsed, MAX_CREDIT_SECONDS)
            touched = self._bits | bits  # mostly none: this is done ten times a second for every GPU
            for account in self._accounts if touched else ():
                if account.bit & touched:
                    account.add(bool(self._bits & account.bit), bool(bits & account.bit), credit)
                    if elapsed > MAX_CREDIT_SECONDS:
                        account.run = 0.0
        self._bits, self._at = bits, now

    def totals(self, mask: int) -> Iterator[ThrottleTotals]:
        """Yield the totals of the reasons in `mask`, in the contract's order; nothing before the first sample."""
        if self._at is None:
            return
        for account in self._accounts:
            if account.bit & mask:
                yield ThrottleTotals(
                    reason=account.reason, seconds=account.seconds, events=account.events, longest=account.longest
                )


class _Account:
    """The sums of one reason."""

    def __init__(self, reason: str, bit: int) -> None:
        self.reason, self.bit = reason, bit
        self.seconds = self.longest = self.run = 0.0
        self.events = 0

    def add(self, was: bool, now: bool, credit: float) -> None:
        if was:
            self.seconds += credit
            self.run += credit
            self.longest = max(self.longest, self.run)
        elif now:
            self.events += 1
        if not now:
            self.run = 0.0


class TickGap:
    """The longest gap between two samples in the last one to two minutes; says how far the meter can be trusted.

    Not since the start: one slow second at boot would hide everything that comes after it.
    """

    WINDOW_SECONDS = 60.0

    def __init__(self) -> None:
        self._last: float | None = None
        self._began = 0.0
        self._current = self._previous = 0.0

    def tick(self, now: float) -> None:
        """Note that a sample was taken at `now`."""
        if self._last is None:
            self._began = now
        else:
            if now - self._began >= self.WINDOW_SECONDS:
                self._previous, self._current, self._began = self._current, 0.0, now
            self._current = max(self._current, now - self._last)
        self._last = now

    @property
    def last(self) -> float | None:
        """When the last sample was taken; None before the first."""
        return self._last

    def longest(self, now: float) -> float | None:
        """Return the longest gap in seconds, the one still open at `now` included; None before the first sample."""
        return None if self._last is None else max(self._previous, self._current, now - self._last)
