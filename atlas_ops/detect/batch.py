"""Whether a file of live rows has drifted, decided once: limits from how far parts of the reference lie from the rest of it.

Called by `drift.fit` (`by_hour_of_week`, `by_blocks`) and `drift.looks` (`parts`, `effective`). A check that is asked once is meant to be wrong in one of
`1 / RATE` cases, however long the live rows are and however often they are cut, unlike the chart that watches all the time. With two
weeks of history each hour is compared with the same hour of the week; else parts of the reference, in the order of their rows, are
compared with its other parts, so that sessions and slow wander are not taken for drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.calibration import LEAST_ROWS, Spread, fitted_variance, left_out, sampling_variance
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.student import t_quantile
from atlas_ops.detect.windows import HORIZONS, STEP, Observed

RATE = 0.01
"""Share of checks without drift that are meant to say drift. Measured on simulated days after 28 days: 0 for independent rows, 1 % with
sessions and wander at 1 request a second, 6 % where days differ twice as much, 10 % at one request in five seconds in clumps."""
LEAST_PARTS = 14
"""Parts of one length that a limit is fitted to; with fewer, parts of that length are not judged."""
BLOCKS = 256
"""Parts that a reference without times is cut into."""
_LEVELS = (1, 2, 4, 8, 16)
"""Blocks that make a longer part: the longest are sixteen in a reference."""
_SLACK = 0.1
"""Share of a part that may be lacking at the end of the live rows."""
_EULER = 0.5772156649


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is usual for parts of the reference: for each length of a part, the spread and the greatest scores."""

    timed: bool
    """Lengths are seconds, and what is usual depends on the hour of the week; else they are rows."""
    lengths: tuple[float, ...]
    spread: Spread
    centre: Floats
    scale: Floats
    """Gumbel's distribution of the greatest |z| over all statistics in one part, for each length; infinite: too few parts."""
    greatest: Floats
    """The greatest |z| of all parts of the reference, for each length."""
    parts: tuple[int, ...]
    """How many parts the spread of each length was fitted to."""

    def limit(self, length: int, looks: int) -> float:
        """Return the score that one of so many parts without drift exceeds in `RATE` of all checks."""
        if not math.isfinite(self.centre[length]):
            return math.inf
        share = RATE / max(looks, 1)
        level = float(self.centre[length] - self.scale[length] * math.log(-math.log1p(-share)))
        # The spread is known from some parts only: Student's quantile against the normal one says how much that adds.
        tail = share / (2 * max(self.spread.wander.shape[1], 1))
        student, normal = t_quantile(1 - tail, self.parts[length] - 1), NormalDist().inv_cdf(1 - tail)
        # Rare clumps have longer tails than either: what the reference did once by itself is no drift.
        return max(student, level * student / normal, float(self.greatest[length]))

    def nearest(self, rows: float) -> int:
        """Return the place of the longest length, among those with a limit, that is not much longer than so many rows."""
        known = [place for place, centre in enumerate(self.centre) if math.isfinite(centre)]
        fitting = [place for place in known if self.lengths[place] <= 1.5 * rows]
        return max(fitting, default=min(known, default=0))


def by_hour_of_week(observed: Observed, spread: Spread) -> Limits:
    """Fit limits to a history of two weeks or more, with the spread that its calibration found."""
    residuals = left_out(observed)
    found = []
    for length, seconds in enumerate(HORIZONS):
        mean, rows, _ = parts(observed.times, residuals, observed.rows, seconds)
        found.append(_greatest(mean / spread.deviation(length, rows), rows))
    return _limits(HORIZONS, spread, found, [len(one) for one in found], timed=True)


def by_blocks(observed: Observed, watched: Sequence[Statistic]) -> Limits:
    """Fit limits to blocks of rows, or windows, in their order."""
    units = len(observed.values)
    blocks = max(1, min(BLOCKS, units, int(observed.rows.max(axis=1, initial=0.0).sum() // LEAST_ROWS)))
    place = np.arange(units) * blocks // units
    values, rows = _grouped(place, int(place[-1]) + 1, observed.values, observed.rows)
    means, sizes = zip(*(_against_rest(values, rows, level) for level in _LEVELS), strict=True)
    sampling = sampling_variance(observed, watched)
    pooled, size = np.concatenate(means), np.concatenate(sizes)
    fits = [fitted_variance(pooled[:, one], size[:, one], sampling[one]) for one in range(len(watched))]
    wander, per_row = zip(*fits, strict=True)
    spread = Spread(np.tile(wander, (len(_LEVELS), 1)), np.tile(per_row, (len(_LEVELS), 1)))
    lengths = tuple(float(np.median(one.max(axis=1, initial=0.0))) for one in sizes)
    found = [_greatest(m / spread.deviation(0, n), n) for m, n in zip(means, sizes, strict=True)]
    return _limits(lengths, spread, found, [len(found[0])] * len(found), timed=False)


def _limits(
    lengths: tuple[float, ...], spread: Spread, greatest: Sequence[Floats], fitted_to: Sequence[int], *, timed: bool
) -> Limits:
    fitted = [_gumbel(one) for one in greatest]
    return Limits(
        timed=timed,
        lengths=lengths,
        spread=spread,
        centre=np.array([centre for centre, _ in fitted]),
        scale=np.array([scale for _, scale in fitted]),
        greatest=np.array([float(one.max(initial=0.0)) for one in greatest]),
        parts=tuple(fitted_to),
    )


def parts(times: Floats, residuals: Floats, rows: Floats, seconds: float) -> tuple[Floats, Floats, Floats]:
    """Return mean residuals and rows of consecutive parts of so many seconds, and when each part ends.

    What is left over at the end is dropped: the mean of three hours wanders more than that of a day, and would be taken for drift.
    """
    width = round(seconds / STEP)
    place = np.arange(len(times)) // width
    count = int((len(times) + _SLACK * width) // width)
    whole = place < count
    mean, total = _grouped(place[whole], count, residuals[whole], rows[whole])
    return mean, total, np.asarray(times[0] - STEP + (np.arange(count) + 1) * seconds)


def effective(rows: Floats, others: Floats) -> Floats:
    """Return the rows that one mean would have to have to vary as the difference of the means of both does."""
    return np.asarray(rows * others / np.maximum(rows + others, 1.0))


def _against_rest(values: Floats, rows: Floats, level: int) -> tuple[Floats, Floats]:
    """Return how far parts of so many blocks lie from all others together, and their effective rows."""
    count = max(len(values) // level, 1)
    mean, own = _grouped(np.minimum(np.arange(len(values)) // level, count - 1), count, values, rows)
    others = own.sum(axis=0) - own
    rest = np.divide((mean * own).sum(axis=0) - mean * own, others, out=np.zeros_like(mean), where=others > 0)
    known = (own > 0) & (others > 0)
    return np.where(known, mean - rest, 0.0), np.where(known, effective(own, others), 0.0)


def _grouped(place: NDArray[np.int64], count: int, residuals: Floats, rows: Floats) -> tuple[Floats, Floats]:
    sums, total = np.zeros((count, residuals.shape[1])), np.zeros((count, residuals.shape[1]))
    np.add.at(sums, place, residuals * rows)
    np.add.at(total, place, rows)
    return np.divide(sums, total, out=np.zeros_like(sums), where=total > 0), total


def _greatest(z: Floats, rows: Floats) -> Floats:
    judged = (rows >= LEAST_ROWS).any(axis=1)
    return np.asarray(np.where(rows >= LEAST_ROWS, np.abs(z), 0.0)[judged].max(axis=1, initial=0.0))


def _gumbel(greatest: Floats) -> tuple[float, float]:
    """Return centre and scale of Gumbel's distribution by its moments."""
    if len(greatest) < LEAST_PARTS:
        return math.inf, 0.0
    scale = float(np.std(greatest, ddof=1)) * math.sqrt(6) / math.pi
    return float(np.mean(greatest)) - _EULER * scale, scale
