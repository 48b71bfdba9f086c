"""The hardware's own count of throttle time: believed only as long as it behaves, and never allowed to make a jump.

Pure arithmetic, fed by `gpu.throttle_ledger` with raw counters and with what the sampler saw between two looks at them.

Why so much distrust: NVML's field ids moved between driver releases (252 is HW thermal slowdown in one, a power smoothing
setting in the next), and nvml.h says nanoseconds where nvidia-smi prints microseconds (an H100 and an H200 with 580.159 do
count nanoseconds, but no other driver was seen). A counter is believed when it does
not run backwards, not ahead of time, grows while the sampled bit is on, and stands still while the bit is off.
"""

from __future__ import annotations

from dataclasses import dataclass

NANOSECONDS = 1e9
MICROSECONDS = 1e6
PROVING_LOOKS = 3
"""Looks before a counter is believed. Short: until then the reason's seconds are not told at all."""
PACE = 1.05
"""A counter may gain this much on the clock (the survey's figure), and besides ..."""
PACE_SLACK_SECONDS = 0.25
"""... this much at once: the driver updates it in steps."""
PACE_WINDOW_SECONDS = 10.0
SILENT_SECONDS = 1.0
"""Sampled throttling in which a true counter must have moved."""
UNSEEN_SAMPLES = 5
"""Counted throttling since the last look, in sampling periods, of which a true sampler must have seen something ..."""
UNSEEN_SAMPLES_IN_ALL = 30
"""... and in a row of looks, in which short ones may well add up."""
UNWATCHED_SECONDS = 2.0
"""After a longer pause (a driver call that hung) the sampler has missed too much to contradict anybody."""
CALIBRATION_SECONDS = 0.15
"""Sampled throttling that is enough to tell nanoseconds from microseconds, which are a factor of a thousand apart."""
CALIBRATION_FACTOR = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """What the sampler says of the time since the last look at the counters."""

    seconds: float
    """Throttle time."""
    seen: bool
    """Whether the reason was on in any sample since then, or in the time before: a counter may lag by one look."""
    period: float
    """Seconds between two samples; 0: the part has no bits to sample, and nothing can be contradicted."""


@dataclass(kw_only=True, slots=True)
class Unit:
    """Raw ticks a second; shared by the counters of one GPU. nvml.h says nanoseconds until a measurement says otherwise."""

    per_second: float = NANOSECONDS
    calibrated: bool = False

    def learn(self, raw: int, sampled_seconds: float) -> None:
        """Compare a counter's growth with the sampled time of the same span, once."""
        if self.calibrated or sampled_seconds < CALIBRATION_SECONDS or raw <= 0:
            return
        for unit in (NANOSECONDS, MICROSECONDS):
            if unit / CALIBRATION_FACTOR <= raw / sampled_seconds <= unit * CALIBRATION_FACTOR:
                self.per_second, self.calibrated = unit, True


class CounterTrial:
    """One reason's counter, on trial as long as it runs: what a look gained counts only while it is `believed`.

    `seconds` is what it has counted since the driver was loaded.
    """

    def __init__(self, raw: int, now: float, unit: Unit) -> None:
        self.rejected = False
        self._unit = unit
        # The unit of nvml.h, whatever is learned later: the first total has to be the same at every start of the exporter.
        self.seconds = raw / NANOSECONDS
        self._raw, self._at = raw, now
        self._looks = 1
        self._window_raw, self._window_at = raw, now
        self._silent = self._unseen = 0.0

    @property
    def believed(self) -> bool:
        """Whether it may be told."""
        return not self.rejected and self._looks >= PROVING_LOOKS

    def look(self, raw: int | None, now: float, sampled: Sampled) -> float:
        """Take in the counter at `now` (None: it is not given any more). Return the seconds gained since the last look."""
        if self.rejected or raw is None or raw < self._raw:
            self.rejected = True
            return 0.0
        elapsed = now - self._at
        self._unit.learn(raw - self._raw, sampled.seconds)
        gained = (raw - self._raw) / self._unit.per_second
        disagrees = sampled.period > 0 and elapsed <= UNWATCHED_SECONDS and self._disagrees(gained, sampled)
        if disagrees or self._too_fast(raw, now):
            self.rejected = True
            return 0.0
        self._raw, self._at = raw, now
        self._looks += 1
        self.seconds += gained
        return gained

    def _too_fast(self, raw: int, now: float) -> bool:
        gained = (raw - self._window_raw) / self._unit.per_second
        too_fast = gained > PACE * (now - self._window_at) + PACE_SLACK_SECONDS
        if now - self._window_at >= PACE_WINDOW_SECONDS:
            self._window_raw, self._window_at = raw, now
        return too_fast

    def _disagrees(self, gained: float, sampled: Sampled) -> bool:
        """Whether the bit was on and the counter stood still, or the counter ran and the bit was never on, for too long."""
        self._silent = 0.0 if gained else self._silent + sampled.seconds
        self._unseen = 0.0 if sampled.seen else self._unseen + gained
        return (
            self._silent >= SILENT_SECONDS
            or (not sampled.seen and gained > UNSEEN_SAMPLES * sampled.period)
            or self._unseen > UNSEEN_SAMPLES_IN_ALL * sampled.period
        )
