"""Shares and means with intervals that know of clumps: requests of one hour, and of one day, share their weather.

Called by `quality` and `judge`. A thousand labels of one session are worth fewer than a thousand: how many is told by how much
hours, or days, differ beyond what chance alone would do. Wilson's interval for shares (Wilson 1927), with so many labels and
Student's quantile; for means of errors an interval on their logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.student import t_quantile

FEWEST_UNITS = 5
"""Hours or days from which on their differences say how much labels clump."""
SHOWN = 0.975
"""Probability of each bound of an interval that is shown: 95 % for both."""
_LARGE = 1e6
"""Degrees of freedom of a spread that is not estimated from units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """Sums over the labels of each unit of time, shape (units,): of what is averaged, of its squares, and how many they are."""

    total: Floats
    squares: Floats
    of: Floats

    @property
    def mean(self) -> float:
        """The mean over all labels; NaN without one."""
        count = float(self.of.sum())
        return float(self.total.sum()) / count if count else math.nan

    @property
    def per_label(self) -> float:
        """The variance of one label; that of a share never quite 0, however few they are (Agresti and Coull's two of each)."""
        count = float(self.of.sum())
        if np.array_equal(self.total, self.squares):
            share = (float(self.total.sum()) + 2) / (count + 4)
            return share * (1 - share)
        return max(float(self.squares.sum()) / count - self.mean**2, 0.0)

    def gathered(self, places: NDArray[np.int64]) -> Sums:
        """Return the sums of larger units: `places` says for each unit to which of them it belongs."""
        size = int(places.max(initial=-1)) + 1
        total, squares, of = (
            np.bincount(places, one, size).astype(np.float64) for one in (self.total, self.squares, self.of)
        )
        return Sums(total=total, squares=squares, of=of)

    def filled(self) -> Sums:
        """Return the units that have labels."""
        known = self.of > 0
        return Sums(total=self.total[known], squares=self.squares[known], of=self.of[known])


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How certain a mean is: its variance, from how many degrees of freedom it is known, and what a day adds by itself."""

    variance: float
    freedom: float
    wander: float = 0.0
    """Variance between days beyond chance; 0 where there are too few days to know it."""
    days: float = 1.0
    """Days that the labels are worth, an uneven one less."""
    known_days: int = 0
    """Days that `wander` is known from."""


def wander(days: Sums) -> float:
    """Return the variance between days beyond that of their labels (the moments' estimate); 0 with too few days."""
    known = days.filled()
    count, total = len(known.of), float(known.of.sum())
    if count < FEWEST_UNITS:
        return 0.0
    between = float((known.of * (known.total / known.of - known.mean) ** 2).sum())
    room = total - float((known.of**2).sum()) / total
    return max(0.0, (between - (count - 1) * known.per_label) / room) if room > 0 else 0.0


def spread(hours: Sums, days: Sums, usual: Spread | None = None) -> Spread:
    """Return how certain the mean is. `usual` is the spread of a longer time, for one with too few days to know their differences."""
    count = float(hours.of.sum())
    chance = hours.per_label / count
    found = [(chance, _LARGE), *filter(None, (_between(days), _between(hours)))]
    known = days.filled().of
    share = float((known**2).sum()) / count**2
    own = wander(days)
    if usual is not None and usual.wander:
        found.append((chance + usual.wander * share, float(usual.known_days - 1)))
        own = max(own, usual.wander)
    variance, freedom = max(found)
    return Spread(variance=variance, freedom=freedom, wander=own, days=1 / share, known_days=len(known))


def _between(units: Sums) -> tuple[float, float] | None:
    """Return the variance of a mean by the differences of units, and its degrees of freedom; None with too few units."""
    known = units.filled()
    count = len(known.of)
    if count < FEWEST_UNITS:
        return None
    off = known.total - known.mean * known.of
    return float((off**2).sum()) * count / (count - 1) / float(known.of.sum()) ** 2, float(count - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A number with its interval. `of`: labels behind it; `at`: its bounds for any probability of each of them."""

    value: float
    of: int
    bounds: Callable[[float], tuple[float, float]]

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds that are shown, 95 %."""
        return self.bounds(SHOWN)


def share(sums: Sums, found: Spread) -> Estimate:
    """Return a share, with Wilson's interval."""
    worth = max(sums.per_label / found.variance, 1.0) if found.variance > 0 else float(sums.of.sum())
    return Estimate(
        value=sums.mean,
        of=round(float(sums.of.sum())),
        bounds=lambda probability: wilson(sums.mean, worth, t_quantile(probability, found.freedom)),
    )


def mean_size(sums: Sums, found: Spread) -> Estimate:
    """Return a mean of sizes (never below 0), with an interval on its logarithm."""
    value = sums.mean

    def bounds(probability: float) -> tuple[float, float]:
        if value <= 0:
            return 0.0, 0.0
        width = t_quantile(probability, found.freedom) * math.sqrt(found.variance) / value
        return value * math.exp(-min(width, 700.0)), value * math.exp(min(width, 700.0))

    return Estimate(value=value, of=round(float(sums.of.sum())), bounds=bounds)


def mean(sums: Sums, found: Spread) -> Estimate:
    """Return a mean that may have either sign."""

    def bounds(probability: float) -> tuple[float, float]:
        width = t_quantile(probability, found.freedom) * math.sqrt(found.variance)
        return sums.mean - width, sums.mean + width

    return Estimate(value=sums.mean, of=round(float(sums.of.sum())), bounds=bounds)


def stated(value: float) -> Estimate:
    """Return a number that is known, as an estimate without any doubt."""
    return Estimate(value=value, of=0, bounds=lambda _: (value, value))


def wilson(share_: float, count: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's interval of a share of `count` labels, for a quantile of the normal or of Student's distribution."""
    square = quantile**2 / count
    centre = (share_ + square / 2) / (1 + square)
    width = quantile / (1 + square) * math.sqrt(share_ * (1 - share_) / count + square / (4 * count))
    return max(0.0, centre - width), min(1.0, centre + width)


def difference(one: Estimate, other: Estimate, probability: float) -> tuple[float, float]:
    """Return the bounds of `one - other`, each with its own interval (Newcombe 1998, method 10; in general MOVER)."""
    low, high = one.bounds(probability)
    other_low, other_high = other.bounds(probability)
    between = one.value - other.value
    below = math.hypot(one.value - low, other_high - other.value)
    above = math.hypot(high - one.value, other.value - other_low)
    return between - below, between + above
