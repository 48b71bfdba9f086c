"""Whether a file of live rows has drifted, decided once: limits from how far parts of the reference lie from the rest of it.

Called by `drift.fit` (`by_hour_of_week`, `by_blocks`) and `drift.looks` (`parts`, `effective`). A check that is asked once is meant to be wrong in one of
`1 / RATE` cases, however long the live rows are and however often they are cut, unlike the chart that watches all the time. With two
weeks of history each hour is compared with the same hour of the week; else parts of the reference, in the order of their rows, are
compared with its other parts, so that sessions and slow wander are not taken for drift.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.calibration import folds, left_out, spread_of
from atlas_ops.detect.features import Counts
from atlas_ops.detect.horizons import means
from atlas_ops.detect.spread import LEAST_ROWS, Spread, fitted, sampling_variance
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import HORIZONS, STEP, Observed, Windows, observe

RATE = 0.01
"""Share of checks without drift that are meant to say drift. Measured on days of simulated worlds and of traces, after 28 days: 0 to 1.0 %;
without times 0 to 0.6 %, and 1.3 % where days differ much (`benchmarks.drift_quality`)."""
LEAST_PARTS = 14
"""Parts of one length that a limit is fitted to; with fewer, parts of that length are not judged."""
BLOCKS = 256
"""Parts that a reference without times is cut into."""
_LEVELS = (1, 2, 4, 8, 16)
"""Blocks that make a longer part: the longest are sixteen in a reference."""
_FOLDS = 8
"""Parts of a reference without times that are judged by the spread of the others."""
_SLACK = 0.1
"""Share of a part that may be lacking at the end of the live rows."""
_EULER = 0.5772156649
_NORMAL = NormalDist()


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
        beyond = -math.log(-math.log1p(-RATE / max(looks, 1)))
        # The scale is known from some parts only; the tail of Gumbel's distribution is exponential, and this its predictive quantile.
        beyond = self.parts[length] * math.expm1(beyond / self.parts[length])
        # Rare clumps have longer tails: what the reference did once by itself is no drift. What never moved has no tail at all.
        chance = -_NORMAL.inv_cdf(RATE / max(looks, 1) / 2)
        return max(float(self.centre[length] + self.scale[length] * beyond), float(self.greatest[length]), chance)

    def nearest(self, rows: float) -> int:
        """Return the place of the longest length, among those with a limit, that is not much longer than so many rows."""
        known = [place for place, centre in enumerate(self.centre) if math.isfinite(centre)]
        fitting = [place for place in known if self.lengths[place] <= 1.5 * rows]
        return max(fitting, default=min(known, default=0))


def by_hour_of_week(observed: Observed, watched: Sequence[Statistic]) -> Limits:
    """Fit limits to a history of two weeks or more: each week is judged by the others, as live rows will be."""
    residuals, sampling = left_out(observed), sampling_variance(observed, watched)
    over = means(residuals, observed)
    found: list[list[Floats]] = [[] for _ in HORIZONS]
    for fold in folds(observed, over, sampling):
        times, inside, rows = observed.times[fold.inside], residuals[fold.inside], observed.rows[fold.inside]
        for length, seconds in enumerate(HORIZONS):
            mean, total, _ = parts(times, inside, rows, seconds)
            found[length].append(_greatest(mean / fold.spread.deviation(length, total), total))
    return _limits(HORIZONS, spread_of(over, sampling), [np.concatenate(one) for one in found], timed=True)


def by_blocks(windows: Windows, watched: Sequence[Statistic]) -> Limits:
    """Fit limits to blocks of rows, or windows, in their order.

    Nobody knows where in a day live rows will begin, and a part that lies in two days differs less than one that is a day: parts begin
    at every block, and of those that begin within the length of one the furthest counts.
    """
    units, rows = len(windows.times), max(int(counts.sum()) for counts in windows.counts.values())
    blocks = max(1, min(BLOCKS, units, int(rows // LEAST_ROWS)))
    place = np.arange(units) * blocks // units
    cut = {name: _added(place, counts) for name, counts in windows.counts.items()}
    differences, sizes = zip(*(_against_rest(cut, watched, level) for level in _LEVELS), strict=True)
    whole = observe(_windows({name: counts.sum(axis=0, keepdims=True) for name, counts in cut.items()}), watched)
    sampling = sampling_variance(whole, watched)
    lengths = tuple(float(np.median(one.max(axis=1, initial=0.0))) for one in sizes)
    found = _by_the_others(differences, sizes, sampling)
    furthest = [_furthest(one, level) for one, level in zip(found, _LEVELS, strict=True)]
    return _limits(lengths, _pooled(differences, sizes, sampling), furthest, timed=False)


def _by_the_others(differences: Sequence[Floats], sizes: Sequence[Floats], sampling: Floats) -> list[Floats]:
    """Return the greatest score of each part, of each length: each eighth of the reference is judged by the spread of the others."""
    eighths = [np.arange(len(one)) * _FOLDS // len(one) for one in sizes]
    found: list[list[Floats]] = [[] for _ in sizes]
    for eighth in range(_FOLDS):
        others = [place != eighth for place in eighths]
        spread = _pooled(differences, sizes, sampling, others)
        for length, (mean, rows) in enumerate(zip(differences, sizes, strict=True)):
            inside = ~others[length]
            found[length].append(_greatest(mean[inside] / spread.deviation(length, rows[inside]), rows[inside]))
    return [np.concatenate(one) for one in found]


def _furthest(scores: Floats, level: int) -> Floats:
    """Return the greatest of the scores of parts that begin within the length of one."""
    count = len(scores) // level
    return np.asarray(scores[: count * level].reshape(count, level).max(axis=1))


def _pooled(
    differences: Sequence[Floats],
    sizes: Sequence[Floats],
    sampling: Floats,
    used: Sequence[NDArray[np.bool_]] | None = None,
) -> Spread:
    """Fit one spread to the parts of all lengths; those of one length that share no block."""
    apart = [np.arange(len(one)) % level == 0 for one, level in zip(sizes, _LEVELS, strict=True)]
    chosen = apart if used is None else [one & other for one, other in zip(apart, used, strict=True)]
    size = np.concatenate([one[of] for one, of in zip(sizes, chosen, strict=True)])
    mean = np.concatenate([one[of] for one, of in zip(differences, chosen, strict=True)])
    wander, per_row = fitted(mean, size, size >= LEAST_ROWS, sampling)
    return Spread(np.tile(wander, (len(_LEVELS), 1)), np.tile(per_row, (len(_LEVELS), 1)))


def _limits(lengths: tuple[float, ...], spread: Spread, greatest: Sequence[Floats], *, timed: bool) -> Limits:
    fitted = [_gumbel(one) for one in greatest]
    return Limits(
        timed=timed,
        lengths=lengths,
        spread=spread,
        centre=np.array([centre for centre, _ in fitted]),
        scale=np.array([scale for _, scale in fitted]),
        greatest=np.array([float(one.max(initial=0.0)) for one in greatest]),
        parts=tuple(len(one) for one in greatest),
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


def _against_rest(blocks: Mapping[str, Counts], watched: Sequence[Statistic], level: int) -> tuple[Floats, Floats]:
    """Return how far each run of so many blocks lies from all others together, and its effective rows; 0 rows: there are no others."""
    own = {name: _runs(counts, level) for name, counts in blocks.items()}
    here = observe(_windows(own), watched)
    rest = observe(_windows({name: blocks[name].sum(axis=0) - counts for name, counts in own.items()}), watched)
    known = (here.rows > 0) & (rest.rows > 0)
    return np.where(known, here.values - rest.values, 0.0), np.where(known, effective(here.rows, rest.rows), 0.0)


def _runs(counts: Counts, length: int) -> Counts:
    """Return the sums of each `length` consecutive rows; of all of them where there are fewer."""
    sums = np.concatenate([np.zeros((1, counts.shape[1]), dtype=np.int64), np.cumsum(counts, axis=0)])
    length = min(length, len(counts))
    return np.asarray(sums[length:] - sums[:-length])


def _added(place: NDArray[np.int64], counts: Counts) -> Counts:
    added = np.zeros((int(place[-1]) + 1, counts.shape[1]), dtype=np.int64)
    np.add.at(added, place, counts)
    return added


def _windows(counts: Mapping[str, Counts]) -> Windows:
    return Windows(np.zeros(len(next(iter(counts.values())))), counts)


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
