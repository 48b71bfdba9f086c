"""Is the canary worse than the baseline? Runs of load against each are compared, not their requests: run-level Welch bounds.

Requests of one run share the weather of that run (a warm cache, a noisy neighbour), so thousands of them are not thousands of
independent values: a test on pooled requests finds "significant" differences between a release and itself. Here each run gives one
value of each metric, and the spread between runs says what chance does.

A metric is *worse* where the lower bound of its change lies above the margin (and, more certainly, above no change), and *fine* where
the upper bound lies below the effect that has to be found; in between more runs are needed. Changes are on a scale on which greater is worse: mostly logarithms. Pure:
numpy and `student`, called by `atlas_ops.gate` and `benchmarks.gate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.student import t_quantile

FEWEST_RUNS = 5
"""On each side. With fewer, the spread between runs is a guess, and one long run cannot be calibrated at all."""
FALSE_FAILS = 0.01
"""Of releases that do not differ, at most so many fail: all metrics and all looks together."""
FAILS_AT_MARGIN = 0.05
"""Of releases that are worse by just the margin, at most so many fail."""
FALSE_PASSES = 0.05
"""Of releases that are worse by the effect to be found, at most so many pass."""
POWER = 0.8
"""With so many more runs as `needed` says, the verdict is found with this probability, if noise and change are as observed."""
MOST_RUNS = 200
"""On each side; what would need more is not worth waiting for."""


class Verdict(StrEnum):
    """What can be said of one metric, or of a release."""

    PASS = "pass"  # noqa: S105 - no secret
    FAIL = "fail"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One metric of one side: a value for each run. Greater is worse."""

    values: tuple[float, ...]
    floor: float = 0.0
    """Standard deviation that a run's value has at least, by rounding or by counting: equal values are no proof of no noise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """On the scale of the values: what may change (`margin`), and what has to be found (`detect`, above `margin`)."""

    margin: float
    detect: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """One-sided error rates of one look at one metric."""

    same: float = FALSE_FAILS
    fail: float = FAILS_AT_MARGIN
    passing: float = FALSE_PASSES

    @classmethod
    def shared(cls, metrics: int, looks: int = 1) -> Levels:
        """Share the rates (Bonferroni): a fail among metrics and looks; a pass, which takes all metrics, among looks alone."""
        shares = max(metrics, 1) * looks
        return cls(same=FALSE_FAILS / shares, fail=FAILS_AT_MARGIN / shares, passing=FALSE_PASSES / looks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How one metric differs. `lower` holds at the level of a fail, `upper` at that of a pass."""

    verdict: Verdict
    change: float
    lower: float
    upper: float
    deviation: float
    """Standard deviation of one run, of both sides together."""
    needed: int | None
    """More runs on each side until there is a verdict: 0 with one, None where `MOST_RUNS` are too few."""


def compare(baseline: Sample, canary: Sample, limits: Limits, levels: Levels) -> Comparison:
    """Compare one metric. Each side has at least two runs; below `FEWEST_RUNS` the verdict is always CANNOT_TELL."""
    sides = [(np.asarray(side.values, dtype=np.float64), side.floor) for side in (baseline, canary)]
    variances = [max(float(values.var(ddof=1)), floor**2) for values, floor in sides]
    counts = [len(values) for values, _ in sides]
    change = float(sides[1][0].mean() - sides[0][0].mean())
    error, freedom = _welch(variances, counts)
    lower = change - t_quantile(1 - levels.fail, freedom) * error
    upper = change + t_quantile(1 - levels.passing, freedom) * error
    verdict = Verdict.CANNOT_TELL
    if min(counts) >= FEWEST_RUNS:
        verdict = _verdict(change, error, freedom, limits, levels)
    deviation = math.sqrt(sum(variances) / 2)
    needed = 0 if verdict is not Verdict.CANNOT_TELL else _needed(change, deviation, min(counts), limits, levels)
    return Comparison(verdict=verdict, change=change, lower=lower, upper=upper, deviation=deviation, needed=needed)


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict over all metrics: one fail is enough, a pass takes all of them."""
    for verdict in (Verdict.FAIL, Verdict.CANNOT_TELL):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS if verdicts else Verdict.CANNOT_TELL


def quantiles(values: Sequence[float] | NDArray[np.float64], probabilities: Sequence[float]) -> tuple[float, ...]:
    """Return quantiles of the requests of one run, interpolated between neighbours as numpy does by default."""
    found = np.quantile(np.asarray(values, dtype=np.float64), np.asarray(probabilities))
    return tuple(float(value) for value in found)


def _welch(variances: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """Return the standard error of a difference of means and its degrees of freedom (Welch 1947, Satterthwaite 1946)."""
    parts = [variance / count for variance, count in zip(variances, counts, strict=True)]
    total = sum(parts)
    if total == 0:
        return 0.0, float(min(counts) - 1)
    freedom = total**2 / sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    return math.sqrt(total), freedom


def _verdict(
    change: float, error: float, freedom: float, limits: Limits, levels: Levels, spare: float = 0.0
) -> Verdict:
    """Return the verdict; with `spare` (standard errors), one that would hold if the change came out so much nearer to the other."""

    def reach(level: float) -> float:
        return (t_quantile(1 - level, freedom) + spare) * error

    if change - reach(levels.fail) > limits.margin:
        return Verdict.FAIL if change - reach(levels.same) > 0 else Verdict.CANNOT_TELL
    return Verdict.PASS if change + reach(levels.passing) < limits.detect else Verdict.CANNOT_TELL


def _needed(change: float, deviation: float, runs: int, limits: Limits, levels: Levels) -> int | None:
    """Return the fewest runs that decide; the more there are, the more is decided, so halving finds them."""
    low, high = max(runs + 1, FEWEST_RUNS), MOST_RUNS
    if not _decided(high, change, deviation, limits, levels):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _decided(middle, change, deviation, limits, levels) else (middle + 1, high)
    return low - runs


def _decided(runs: int, change: float, deviation: float, limits: Limits, levels: Levels) -> bool:
    error, freedom = deviation * math.sqrt(2 / runs), 2.0 * (runs - 1)
    spare = t_quantile(POWER, freedom)
    return _verdict(change, error, freedom, limits, levels, spare) is not Verdict.CANNOT_TELL
