"""The detector of the first two weeks, when nobody knows yet how a model's traffic wanders. Called by `atlas-ops watch`.

The shares of the last day are compared with the reference's by PSI, less what chance alone gives. It sees great shifts only, and
is for tickets: after a week as reference, measured as 0 to 0.3 false ones a month in five simulated worlds and three traces, 1.0 where
days differ much, and 1.25 where ten requests a second leave little to chance (`benchmarks.drift_quality`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from atlas_ops.detect.course import Course, course
from atlas_ops.detect.distances import psi, smoothed
from atlas_ops.detect.features import Counts
from atlas_ops.detect.season import DAY
from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.windows import STEP, Windows, last

COLD_PSI = 0.25
"""What a day has to differ by."""
LEAST_ROWS_EACH = 100
"""Rows for each bin, in the day and in the reference, without which nothing is said. With half of them, requests that come in fives, all
alike, would reach the limit by chance on one day in 2,000 (chi-square of the clumps); with all of them on one in a billion."""


def cold(windows: Windows, reference: Mapping[str, Counts]) -> dict[str, Course]:
    """Return the course of each feature of a reference that covers a day or more.

    The share of a window is 0 until there has been traffic for a day, and while the day has too few rows.
    """
    return {name: course(windows.times, _shares(windows.counts[name], counts)) for name, counts in reference.items()}


def _shares(counts: Counts, reference: Counts) -> Floats:
    width = round(DAY / STEP)
    day = last(counts.astype(np.float64), width)
    rows, all_rows, bins = day.sum(axis=1), float(reference.sum()), len(reference)
    least = LEAST_ROWS_EACH * bins
    seen = np.flatnonzero(counts.sum(axis=1))
    known = np.arange(len(counts)) >= (seen[0] if seen.size else len(counts)) + width - 1
    chance = (bins - 1) * (1 / np.maximum(rows, 1) + 1 / max(all_rows, 1.0))
    corrected = np.maximum(psi(smoothed(day), smoothed(reference)) - chance, 0.0)
    return np.where(known & (rows >= least) & (all_rows >= least), corrected / COLD_PSI, 0.0)
