"""The detector of the first two weeks, when nobody knows yet how a model's traffic wanders. Called by `atlas-ops watch`.

The shares of the last day are compared with the reference's by PSI, less what chance alone gives; hours of a weekend with those of the
reference's weekends, for traffic that is another one on Saturdays is no drift. It sees great shifts only, and is for tickets: after a week
as reference, measured without a false one in seven simulated worlds and three traces (`benchmarks.drift_quality`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.course import Course, course
from atlas_ops.detect.distances import psi, smoothed
from atlas_ops.detect.features import Counts
from atlas_ops.detect.season import DAY, in_weekend
from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.windows import STEP, Windows, last

COLD_PSI = 0.25
"""What a day has to differ by."""
LEAST_ROWS_EACH = 100
"""Rows for each bin, in the day and in the reference, without which nothing is said. With half of them, requests that come in fives, all
alike, would reach the limit by chance on one day in 2,000 (chi-square of the clumps); with all of them on one in a billion."""


def cold(
    windows: Windows, reference: Mapping[str, Counts], weekends: Mapping[str, Counts] | None = None
) -> dict[str, Course]:
    """Return the course of each feature of a reference that covers a day or more; `weekends` are those of its rows that lie in one.

    The share of a window is 0 until there has been traffic for a day, and while the day has too few rows.
    """
    free = in_weekend(windows.times)
    return {
        name: course(windows.times, _shares(windows.counts[name], counts, weekends[name] if weekends else None, free))
        for name, counts in reference.items()
    }


def in_weekends(windows: Windows) -> dict[str, Counts]:
    """Return the counts of windows that lie in a weekend."""
    free = in_weekend(windows.times)
    return {name: counts[free].sum(axis=0, dtype=np.int64) for name, counts in windows.counts.items()}


def _shares(counts: Counts, reference: Counts, weekend: Counts | None, free: NDArray[np.bool_]) -> Floats:
    width = round(DAY / STEP)
    day = last(counts.astype(np.float64), width)
    rows, bins = day.sum(axis=1), len(reference)
    least = LEAST_ROWS_EACH * bins
    seen = np.flatnonzero(counts.sum(axis=1))
    known = np.arange(len(counts)) >= (seen[0] if seen.size else len(counts)) + width - 1
    usual, inverse = smoothed(reference), np.full(len(counts), 1 / max(float(reference.sum()), 1.0))
    if weekend is not None and min(weekend.sum(), (reference - weekend).sum()) >= least:
        resting = last(np.where(free, counts.sum(axis=1), 0).astype(np.float64), width) / np.maximum(rows, 1)
        usual, inverse = _mixed(reference - weekend, weekend, np.clip(resting, 0.0, 1.0))
    chance = (bins - 1) * (1 / np.maximum(rows, 1) + inverse)
    corrected = np.maximum(psi(smoothed(day), usual) - chance, 0.0)
    return np.where(known & (rows >= least) & (reference.sum() >= least), corrected / COLD_PSI, 0.0)


def _mixed(week: Counts, weekend: Counts, resting: Floats) -> tuple[Floats, Floats]:
    """Return the shares to expect where `resting` of the rows lie in a weekend, and one by the rows that they are known from."""
    share = resting[:, None]
    mixed = (1 - share) * smoothed(week) + share * smoothed(weekend)
    return mixed, (1 - resting) ** 2 / float(week.sum()) + resting**2 / float(weekend.sum())
