"""Counts in windows of five minutes, and what the statistics are over an hour, six and a day. Used by `calibration` and `score`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.features import Counts
from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.detect.statistics import Floats, Statistic

STEP = 300.0
"""Seconds of a window."""
HORIZONS = (HOUR, 6 * HOUR, DAY)
"""Seconds over which residuals are averaged: great shifts show within the hour, small ones within the day."""
_COVERED = 0.8
"""Share of a horizon that has to be seen: the mean of some minutes wanders more than that of a day, and would be taken for drift."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Counts of features in consecutive windows. `times[t]` is when window t ends (Unix seconds)."""

    times: Floats
    counts: Mapping[str, NDArray[np.int64]]
    """{feature: array of shape (windows, bins)}; a window without rows is all zeros."""
    seen: NDArray[np.bool_] | None = None
    """Windows in which anybody looked: without rows, those had no requests, and of the others nothing is known. None: all."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Statistics in windows: `values[t, s]` over `rows[t, s]` rows; where there are no rows the value is 0."""

    times: Floats
    values: Floats
    rows: Floats
    seen: NDArray[np.bool_] | None = None
    """As in `Windows`."""

    def covers(self, seconds: float) -> NDArray[np.bool_]:
        """Say of each window whether enough of the time before its end was seen."""
        width = round(seconds / STEP)
        if self.seen is None:
            return np.ones(len(self.times), dtype=np.bool_)
        return np.asarray(last(self.seen.astype(np.float64), width) >= _COVERED * width)


def observe(windows: Windows, watched: Sequence[Statistic]) -> Observed:
    """Return the watched statistics of each window."""
    values, rows = zip(*(_of(windows.counts[statistic.feature], statistic) for statistic in watched), strict=True)
    return Observed(
        times=windows.times, values=np.stack(values, axis=1), rows=np.stack(rows, axis=1), seen=windows.seen
    )


def _of(counts: Counts, statistic: Statistic) -> tuple[Floats, Floats]:
    """Return a statistic of each window, and over how many rows; a variance needs two."""
    total = counts.sum(axis=1).astype(np.float64)
    mean = counts @ np.asarray(statistic.weights) / np.maximum(total, 1.0)
    if statistic.about is None:
        return mean, total
    centre = counts @ np.asarray(statistic.about) / np.maximum(total, 1.0)
    several = total >= 2
    variance = (mean - centre**2) * total / np.maximum(total - 1.0, 1.0)
    return np.where(several, variance, 0.0), np.where(several, total, 0.0)


def rolled(residuals: Floats, rows: Floats, seconds: float) -> tuple[Floats, Floats]:
    """Return the mean residual, weighted by rows, over the last `seconds` before each window's end, and its rows."""
    width = max(1, round(seconds / STEP))
    total = last(rows, width)
    sums = last(residuals * rows, width)
    return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0), total


def last(values: Floats, width: int) -> Floats:
    """Return the sum over the last `width` windows, up to each; the first ones add up what is there."""
    sums = np.cumsum(values, axis=0)
    sums[width:] = sums[width:] - sums[:-width]
    return sums
