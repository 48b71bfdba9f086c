"""What is told of a GPU's throttling: the hardware's counters where they can be believed, the sampler's sums elsewhere.

Fed by `gpu.sampler`, begun anew by `gpu.reader`, told by `gpu.record`: several threads, one lock. A reason's seconds never jump when their source changes: a counter
that loses its credit is followed by the sampler's sum from where it stood.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from atlas_ops.catalog import conventions
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS, ThrottleMeter, ThrottleTotals
from atlas_ops.exporter.gpu.throttle_counter import CounterTrial, Sampled, Unit

HARDWARE_COUNTER, SAMPLED = conventions.THROTTLE_SOURCES


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One moment: on the monotonic clock, and as Unix time. `period` as in `throttle_counter.Sampled`."""

    now: float
    wall: float
    period: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CounterReading:
    """The hardware's counters, {reason: raw ticks}, and when they were read. Empty: there are none."""

    counters: Mapping[str, int]
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ThrottleStory:
    """One reason's totals, where they come from, and when (Unix time) it was last seen; None: never."""

    totals: ThrottleTotals
    source: str
    last_seen: float | None


class ThrottleLedger:
    """One GPU's throttling, from the first sample on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._meter = ThrottleMeter()
        self._unit = Unit()
        self._accounts = {reason: _Account(bit) for reason, bit in THROTTLE_BITS}

    def sample(self, bits: int, moment: Moment) -> None:
        """Take in the reasons that are active now; 0 for a part that has counters alone."""
        with self._lock:
            self._meter.sample(bits, moment.now)
            for account in self._accounts.values() if bits else ():
                if bits & account.bit:
                    account.see(moment)

    def look(self, counters: Mapping[str, int], moment: Moment) -> None:
        """Take in the hardware's counters (raw ticks). To be called behind `sample`, also when there are none."""
        with self._lock:
            for totals in self._meter.totals(-1):
                self._accounts[totals.reason].look(counters.get(totals.reason), totals.seconds, moment, self._unit)

    def restart(self) -> None:
        """Put the counters on trial anew: the driver was reloaded or is another one. What was told stays."""
        with self._lock:
            self._unit = Unit()
            for account in self._accounts.values():
                account.trial = None

    def stories(self, mask: int) -> tuple[ThrottleStory, ...]:
        """Return what is told of the reasons in `mask`, in the contract's order; nothing of what is not decided yet."""
        with self._lock:
            told = ((self._accounts[totals.reason], totals) for totals in self._meter.totals(mask))
            return tuple(account.story(totals) for account, totals in told if account.decided)


class _Account:
    """One reason: what is told of it, from its counter while that is believed, and from the sampler while not."""

    def __init__(self, bit: int) -> None:
        self.bit = bit
        self.last_seen: float | None = None
        self.trial: CounterTrial | None = None
        self.decided = False
        """Whether it may be told. The first total is the counter's own, so that a restart of the exporter is no reset."""
        self._seconds = self._sampled = 0.0
        self._hidden_events = 0
        self._hidden_longest = self._hidden_run = 0.0
        self._seen = self._seen_before = False
        """Whether the sampler saw the reason since the last look, and between the two before."""

    def see(self, moment: Moment) -> None:
        self.last_seen = moment.wall
        self._seen = True

    def look(self, raw: int | None, sampled: float, moment: Moment, unit: Unit) -> None:
        fresh, self._sampled = sampled - self._sampled, sampled
        seen, self._seen_before, self._seen = self._seen or self._seen_before, self._seen, False
        gained = fresh
        if self.trial is not None:
            was_believed = self.trial.believed
            counted = self.trial.look(raw, moment.now, Sampled(seconds=fresh, seen=seen, period=moment.period))
            if self.trial.believed:
                # Until now the sampler's sum was told up to this moment, and what was told is not taken back.
                gained = counted if was_believed else max(counted, fresh)
                if self.decided:
                    self._note_hidden(counted, moment, seen=seen)
            elif raw is None:
                self.trial = None  # it may come back, and is on trial again then
        elif raw is not None:
            self.trial = CounterTrial(raw, moment.now, unit)
        self._seconds += gained
        if not self.decided:
            self._decide()

    def _decide(self) -> None:
        if self.trial is None or self.trial.rejected:
            self.decided = True
        elif self.trial.believed:
            self.decided, self._seconds = True, self.trial.seconds

    def _note_hidden(self, counted: float, moment: Moment, *, seen: bool) -> None:
        """Note throttling that was over before a sample could see it, or that no sample can see on this part."""
        if counted > 0:
            self.last_seen = moment.wall
        if counted <= 0 or seen:
            self._hidden_run = 0.0
            return
        goes_on = self._hidden_run > 0 and not moment.period
        self._hidden_events += not goes_on
        self._hidden_run = self._hidden_run + counted if goes_on else counted
        self._hidden_longest = max(self._hidden_longest, self._hidden_run)

    def story(self, totals: ThrottleTotals) -> ThrottleStory:
        believed = self.trial is not None and self.trial.believed
        told = replace(
            totals,
            # What was sampled since the last look is told at once; a counter is told as of the last look.
            seconds=self._seconds if believed else self._seconds + totals.seconds - self._sampled,
            events=totals.events + self._hidden_events,
            longest=max(totals.longest, self._hidden_longest),
        )
        return ThrottleStory(totals=told, source=HARDWARE_COUNTER if believed else SAMPLED, last_seen=self.last_seen)
