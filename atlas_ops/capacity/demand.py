"""What the servers of a model were asked for, and how many replicas a forecast takes. Called by `assess`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from atlas_ops.capacity.estimate import Estimate
from atlas_ops.capacity.observed import LATELY, Floats, Observed

PEAK_SHARE = 0.01
"""The peak is what the demand exceeds in this share of the time: a quarter of an hour of each day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """Requests per second to all replicas together, rejected ones too."""

    course: Floats
    """Of each window; NaN where no server was seen."""
    mean: float
    peak: float
    replicas: int
    """That were seen in the last hour; 0 without any."""
    replica_course: Floats
    uneven: float
    """The busiest replica against the mean of all, in the windows about the peak; 1 when even."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Replicas that it takes for a rate at the peak; `low` and `high` are the ends of the 90 % interval."""

    rate: float
    needed: int
    low: int
    high: int
    at_most: bool
    """They were never full: fewer may do."""
    there: int
    """Replicas that there are now, or that an autoscaler may go up to."""
    scaled: bool
    """Whether those are what an autoscaler may add."""
    use: Estimate
    """Share of what those carry that the forecast takes: 1 and below is enough. At most so much where replicas were never full."""

    @property
    def enough(self) -> bool | None:
        """Whether those that are there do, with certainty; None when nobody can tell."""
        if self.high <= self.there:
            return True
        return None if self.at_most or self.low <= self.there else False

    @classmethod
    def of(cls, rate: float, usable: Estimate, asked: Demand, most: int | None) -> Forecast:
        """Return what a forecast takes when a replica carries `usable`."""
        there = max(asked.replicas, most or 0)
        needed, low, high = (max(1, math.ceil(rate / each - 1e-9)) for each in (usable.value, usable.high, usable.low))
        uses = (rate / (max(there, 1) * each) for each in (usable.value, usable.high, usable.low))
        value, least, greatest = uses
        return cls(
            rate=rate,
            needed=needed,
            low=low,
            high=high,
            at_most=usable.at_least,
            there=there,
            scaled=there > asked.replicas,
            use=Estimate(value=value, low=least, high=greatest),
        )


def demand(seen: Observed) -> Demand:
    """Return what was asked for."""
    known = np.isfinite(seen.arrived)
    total = np.where(known.any(axis=0), np.nansum(seen.arrived, axis=0), np.nan)
    there = (np.isfinite(seen.arrived) | np.isfinite(seen.running)).sum(axis=0).astype(np.float64)
    told = total[np.isfinite(total)]
    lately = there[-LATELY:]
    return Demand(
        course=total,
        mean=float(told.mean()) if len(told) else 0.0,
        peak=float(np.quantile(told, 1 - PEAK_SHARE)) if len(told) else 0.0,
        replicas=round(float(np.median(lately[lately > 0]))) if lately.any() else 0,
        replica_course=there,
        uneven=_uneven(seen.arrived, total),
    )


def _uneven(arrived: Floats, total: Floats) -> float:
    """Return the mean over the windows of the greatest demand of the busiest replica's share, times their number."""
    several = np.isfinite(total) & (np.isfinite(arrived).sum(axis=0) > 1) & (total > 0)
    if not several.any():
        return 1.0
    busy = several & (total >= np.quantile(total[several], 0.9))
    # Means over these windows, not each by itself: chance alone makes one replica the busiest of a window.
    told = arrived[:, busy]
    counts = np.isfinite(told).sum(axis=1)
    shares = np.nansum(told, axis=1)[counts > 0] / counts[counts > 0]
    return float(shares.max() / shares.mean())
