"""Mean residuals over an hour, six and a day, and the two charts that are made of them. Used by `calibration` and `score`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.season import HOUR
from atlas_ops.detect.spread import LEAST_ROWS, Spread
from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.windows import HORIZONS, STEP, Observed, rolled

CUSUM_SLACK = 1.5
"""What an hourly score may be above nothing without adding to the slower chart, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean residual over one horizon before each window's end, `mean[t, s]` of `rows[t, s]` rows; `known` where it tells anything."""

    mean: Floats
    rows: Floats
    known: NDArray[np.bool_]

    def of(self, windows: NDArray[np.bool_]) -> Mean:
        """Return that of some of the windows."""
        return Mean(self.mean[windows], self.rows[windows], self.known[windows])

    def z(self, spread: Spread, place: int) -> Floats:
        """Return it in standard deviations; 0 where it is not known. `place` is that of its horizon."""
        return np.where(self.known, self.mean / spread.deviation(place, self.rows), 0.0)


def means(residuals: Floats, observed: Observed) -> tuple[Mean, ...]:
    """Return the mean over each horizon. It is known when it has enough rows, and enough of its time was seen."""
    found = []
    for seconds in HORIZONS:
        mean, rows = rolled(residuals, observed.rows, seconds)
        found.append(Mean(mean, rows, (rows >= LEAST_ROWS) & observed.covers(seconds)[:, None]))
    return tuple(found)


def greatest(z: Sequence[Floats]) -> Floats:
    """Return the greatest |z| over the horizons, of each window and statistic."""
    return np.asarray(np.maximum.reduce([np.abs(one) for one in z]))


def charted(hourly: Floats, times: Floats, most: float = math.inf) -> Floats:
    """Return the slower chart of each window and statistic: the greater CUSUM of z over an hour, either way, from the end of the hour on.

    It does not rise above `most`, so that it comes down soon after what it saw is over.
    """
    ends = times // HOUR > (times - STEP) // HOUR
    sums = np.zeros((2, hourly.shape[1]))
    levels = [sums[0]]
    for z in hourly[ends]:
        sums = np.clip(sums + np.stack([z, -z]) - CUSUM_SLACK, 0.0, most)
        levels.append(sums.max(axis=0))
    return np.asarray(np.stack(levels)[np.cumsum(ends)])
