"""How far mean residuals wander without any drift: the spread that a score is measured in. Used by `calibration` and `batch`.

The variance of a mean has a part that no number of rows takes away (days differ) and one that falls with them. Both are fitted to
the residuals of a history, statistic by statistic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import Observed

LEAST_ROWS = 30.0
"""A mean of fewer rows has no score."""
_LEAST_MEANS = 10
"""With fewer means nothing is fitted: the spread is what chance alone gives."""
_LEAST_WANDER = 0.002**2
"""Variance that every statistic is granted: a share that never moved in the history may move by a fifth of a point."""
_LEAST_SHARE = 0.01
"""A rarer bin is granted the chance of one of so many rows: requests of one session fill it all at once, so that its few rows are no normal ones."""
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance of a mean residual of n rows: `wander[h, s] + level[s] + per_row[h, s] / n`, for each horizon and statistic."""

    wander: Floats
    per_row: Floats
    level: Floats | None = None
    """Variance of what is usual itself, where that was taken from hours or days (`detect.rebase`); None: it is the history's."""

    def steady(self, horizon: int) -> Floats:
        """Return the variance that no number of rows takes away."""
        return self.wander[horizon] if self.level is None else np.asarray(self.wander[horizon] + self.level)

    def deviation(self, horizon: int, rows: Floats) -> Floats:
        """Return the standard deviation of residuals over a horizon that had so many rows."""
        return np.asarray(np.sqrt(self.steady(horizon) + self.per_row[horizon] / np.maximum(rows, 1.0)))


def sampling_variance(observed: Observed, watched: Sequence[Statistic]) -> Floats:
    """Return the variance of one row of each statistic when rows are independent."""
    totals = observed.rows.sum(axis=0)
    shares = (observed.values * observed.rows).sum(axis=0) / np.maximum(totals, 1.0)
    bounded = np.clip(shares, _LEAST_SHARE, 1.0 - _LEAST_SHARE)
    return np.where([statistic.is_share for statistic in watched], bounded * (1 - bounded), 1.0)


def fitted(mean: Floats, rows: Floats, known: NDArray[np.bool_], sampling: Floats) -> tuple[Floats, Floats]:
    """Fit variance = wander + per_row / n to means of shape (times, statistics) by weighted least squares.

    Neither falls below what chance alone gives.
    """
    count = known.sum(axis=0)
    inverse, squares = np.where(known, 1.0 / np.maximum(rows, 1.0), 0.0), np.where(known, mean**2, 0.0)
    wander = np.maximum(_LEAST_WANDER, squares.sum(axis=0) / np.maximum(count, 1))
    per_row = np.array(sampling, dtype=np.float64)
    for _ in range(_ROUNDS):
        weights = known / (wander + per_row * inverse) ** 2
        wander, per_row = _solved(weights, inverse, squares, sampling)
    enough = count >= _LEAST_MEANS
    return np.where(enough, wander, _LEAST_WANDER), np.where(enough, per_row, sampling)


def _solved(weights: Floats, inverse: Floats, squares: Floats, sampling: Floats) -> tuple[Floats, Floats]:
    """Return the line through squares over inverse rows; where all have the same number of rows, with the slope that chance gives."""
    total, first = np.maximum(weights.sum(axis=0), 1e-300), (weights * inverse).sum(axis=0)
    second, right = (weights * inverse**2).sum(axis=0), (weights * squares).sum(axis=0)
    mixed = (weights * inverse * squares).sum(axis=0)
    determinant = total * second - first**2
    flat = determinant <= 1e-12 * total * second
    safe = np.where(flat, 1.0, determinant)
    wander = np.where(flat, (right - sampling * first) / total, (right * second - mixed * first) / safe)
    per_row = np.where(flat, sampling, (mixed * total - right * first) / safe)
    return np.maximum(_LEAST_WANDER, wander), np.maximum(sampling, per_row)
