"""What is told of a GPU's throttling: the hardware's counters where they can be believed, the sampler's sums elsewhere.

`gpu.sampler` brings the bits, `gpu.reader` the counters, `gpu.record` tells: several threads, one lock. A reason's seconds
never jump when their source changes: a counter that loses its credit is followed by the sampler's sum from where it stood.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from atlas_ops.catalog import conventions
from atlas_ops.exporter.gpu.throttle import THROTTLE_BITS, ThrottleMeter, ThrottleTotals
from atlas_ops.exporter.gpu.throttle_counter import UNWATCHED_SECONDS, CounterTrial, Sampled, Unit

FILLED = 0.9
"""From this share of the time between two looks on, it counts as one throttle from end to end: counters come in steps."""
HARDWARE_COUNTER, SAMPLED = conventions.THROTTLE_SOURCES


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One moment: on the monotonic clock, and as Unix time."""

    now: float
    wall: float


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
        self._sampled_at, self._period = float("-inf"), 0.0
        self._unsettled = False

    def sample(self, bits: int, moment: Moment, period: float) -> None:
        """Take in the reasons that are active now, as every `period` seconds."""
        with self._lock:
            self._meter.sample(bits, moment.now)
            self._sampled_at, self._period = moment.now, period
            for account in self._accounts.values() if bits or self._unsettled else ():
                account.see(bool(bits & account.bit), moment)
            self._unsettled = False

    def look(self, counters: Mapping[str, int], moment: Moment) -> None:
        """Take in the hardware's counters (raw ticks); also when there are none, or none any more."""
        with self._lock:
            # Of a part without bits, or a sampler that hangs, nothing can be said against a counter.
            period = self._period if moment.now - self._sampled_at <= UNWATCHED_SECONDS else 0.0
            sampled = self._totals()
            for reason, account in self._accounts.items():
                account.look(counters.get(reason), sampled[reason].seconds, moment, period, self._unit)
            self._unsettled = any(account.unsettled for account in self._accounts.values())

    def _totals(self) -> dict[str, ThrottleTotals]:
        none = {reason: ThrottleTotals(reason=reason, seconds=0.0, events=0, longest=0.0) for reason in self._accounts}
        return none | {totals.reason: totals for totals in self._meter.totals(-1)}

    def restart(self) -> None:
        """Put the counters on trial anew: the driver was reloaded or is another one. What was told stays."""
        with self._lock:
            self._unit = Unit()
            for account in self._accounts.values():
                account.trial = None

    def stories(self, mask: int) -> tuple[ThrottleStory, ...]:
        """Return what is told of the reasons in `mask`, and of those that the hardware counts, in the contract's order.

        Nothing of what is not decided yet.
        """
        with self._lock:
            totals = self._totals()
            return tuple(
                account.story(totals[reason])
                for reason, account in self._accounts.items()
                if account.decided and (account.bit & mask or account.believed)
            )


class _Account:
    """One reason: what is told of it, from its counter while that is believed, and from the sampler while not."""

    def __init__(self, bit: int) -> None:
        self.bit = bit
        self.last_seen: float | None = None
        self.trial: CounterTrial | None = None
        self.decided = False
        """Whether it may be told. The first total is the counter's own, so that a restart of the exporter is no reset."""
        self.unsettled = 0.0
        """Seconds that a counter has and no sample saw, until the next sample tells whether it is the same throttle."""
        self._seconds = self._sampled = 0.0
        self._hidden_events = 0
        self._hidden_longest = self._hidden_run = 0.0
        self._looked_at = float("-inf")
        self._filled = False
        """Whether the time between the last two looks was throttled from end to end."""
        self._seen = self._seen_before = False
        """Whether the sampler saw the reason since the last look, and between the two before."""

    @property
    def believed(self) -> bool:
        return self.trial is not None and self.trial.believed

    def see(self, on: bool, moment: Moment) -> None:
        if on:
            self.last_seen = moment.wall
            self._seen = True
        elif self.unsettled:
            self._count_hidden(self.unsettled)
        self.unsettled = 0.0

    def look(self, raw: int | None, sampled: float, moment: Moment, period: float, unit: Unit) -> None:
        fresh, self._sampled = sampled - self._sampled, sampled
        seen, self._seen_before, self._seen = self._seen or self._seen_before, self._seen, False
        gained = fresh
        if self.trial is not None:
            was_believed = self.trial.believed
            counted = self.trial.look(raw, moment.now, Sampled(seconds=fresh, seen=seen, period=period))
            if self.trial.believed:
                # Until now the sampler's sum was told up to this moment, and what was told is not taken back.
                gained = counted if was_believed else max(counted, fresh)
                if self.decided:
                    self._note(counted, moment, period, seen=seen)
            elif raw is None:
                self.trial = None  # it may come back, and is on trial again then
        elif raw is not None:
            self.trial = CounterTrial(raw, moment.now, unit)
        self._looked_at = moment.now
        self._seconds += gained
        if not self.decided:
            self._decide()

    def _decide(self) -> None:
        if self.trial is None or self.trial.rejected:
            self.decided = True
        elif self.trial.believed:
            self.decided, self._seconds = True, self.trial.seconds

    def _note(self, counted: float, moment: Moment, period: float, *, seen: bool) -> None:
        """Note throttling that was over before a sample could see it, or that no sample can see on this part."""
        if counted > 0:
            self.last_seen = moment.wall
        if counted <= 0 or seen:
            self._hidden_run = 0.0
        elif period:
            self.unsettled = counted
        else:
            filled = counted >= FILLED * (moment.now - self._looked_at)
            self._count_hidden(counted, goes_on=self._hidden_run > 0 and (filled or self._filled))
            self._filled = filled

    def _count_hidden(self, seconds: float, *, goes_on: bool = False) -> None:
        self._hidden_events += not goes_on
        self._hidden_run = self._hidden_run + seconds if goes_on else seconds
        self._hidden_longest = max(self._hidden_longest, self._hidden_run)

    def story(self, totals: ThrottleTotals) -> ThrottleStory:
        believed = self.believed
        told = replace(
            totals,
            # What was sampled since the last look is told at once; a counter is told as of the last look.
            seconds=self._seconds if believed else self._seconds + totals.seconds - self._sampled,
            events=totals.events + self._hidden_events,
            longest=max(totals.longest, self._hidden_longest),
        )
        return ThrottleStory(totals=told, source=HARDWARE_COUNTER if believed else SAMPLED, last_seen=self.last_seen)
