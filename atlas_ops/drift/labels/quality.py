"""How good predictions are in a time: accuracy, precision and recall of classes, or errors of numbers, each with its interval.

Called by `judge` and by the command.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.season import DAY
from atlas_ops.detect.statistics import Floats
from atlas_ops.detect.student import t_quantile
from atlas_ops.drift.labels.intervals import Estimate, Spread, Sums, mean, mean_size, share, spread, wilson
from atlas_ops.drift.labels.tally import ACTUAL, BOTH, PREDICTED, Tally, quantile

Mask = NDArray[np.bool_]
ACCURACY, MEAN_ERROR, MEDIAN_ERROR, BIAS = "accuracy", "mean_absolute_error", "median_absolute_error", "mean_error"
_MONDAY = 4 * DAY
"""5 January 1970: weeks begin there."""


class Per(Enum):
    """How long a window is; the value is what users write."""

    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One metric in one time."""

    estimate: Estimate
    spread: Spread
    per_label: float
    """The variance of one label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """A time: what is known of its predictions. `metrics` has accuracy, or the errors, first, then `precision of` and `recall of` each class."""

    start: float | None
    end: float | None
    """Unix seconds; None without times."""
    predictions: int
    labels: int
    metrics: Mapping[str, Measured]

    @property
    def arrived(self) -> float:
        """The share of its predictions that have a label."""
        return self.labels / self.predictions if self.predictions else 0.0


def measure(tally: Tally, within: Mask, usual: Quality | None = None, *, by_class: bool = True) -> Quality:
    """Return the quality of some slots. `usual`: that of a longer time, which knows how much days differ."""
    spreads = {} if usual is None else {key: one.spread for key, one in usual.metrics.items()}
    found = {key: _measured(key, sums, tally, within, spreads) for key, sums in _sums(tally, within, by_class)}
    starts = tally.slots.starts[within]
    timed = bool(tally.slots.seconds) and bool(len(starts))
    return Quality(
        start=float(starts[0]) if timed else None,
        end=float(starts[-1]) + tally.slots.seconds if timed else None,
        predictions=round(float(tally.predicted[within].sum())),
        labels=round(float(tally.labelled[within].sum())),
        metrics={key: one for key, one in found.items() if one is not None},
    )


def windows(tally: Tally, per: Per, usual: Quality) -> tuple[Quality, ...]:
    """Return the quality of each day, or week from Monday on (UTC), that has predictions; without single classes, which may be many."""
    if not tally.slots.seconds:
        return ()
    length = DAY if per is Per.DAY else 7 * DAY
    number = (tally.slots.starts - (0 if per is Per.DAY else _MONDAY)) // length
    return tuple(
        measure(tally, number == one, usual, by_class=False)
        for one in np.unique(number)
        if tally.predicted[number == one].any()
    )


def _sums(tally: Tally, within: Mask, by_class: bool) -> Iterator[tuple[str, Sums]]:
    if not tally.classes:
        yield MEAN_ERROR, tally.absolute
        counts = tally.sizes[within].sum(axis=0)
        yield MEDIAN_ERROR, tally.up_to(quantile(counts, 0.5)) if counts.any() else tally.absolute
        yield BIAS, tally.signed
        return
    yield ACCURACY, tally.accuracy
    for place, name in enumerate(tally.classes if by_class else ()):
        yield f"precision of {name}", tally.shares(BOTH, PREDICTED, place)
        yield f"recall of {name}", tally.shares(BOTH, ACTUAL, place)


def _measured(key: str, sums: Sums, tally: Tally, within: Mask, usual: Mapping[str, Spread]) -> Measured | None:
    """Return one metric; None without a label."""
    hours = Sums(total=sums.total[within], squares=sums.squares[within], of=sums.of[within])
    if not hours.of.any():
        return None
    days = tally.slots.days[within]
    found = spread(hours, hours.gathered(days - days[0]), usual.get(key))
    if key == MEDIAN_ERROR:
        estimate = _median(tally.sizes[within].sum(axis=0), hours, found)
    else:
        estimate = {MEAN_ERROR: mean_size, BIAS: mean}.get(key, share)(hours, found)
    return Measured(estimate=estimate, spread=found, per_label=hours.per_label)


def _median(counts: Floats, below: Sums, found: Spread) -> Estimate:
    """Return the median, with the quantiles between which it lies as a share of one half does (Woodruff 1952)."""
    worth = max(below.per_label / found.variance, 1.0)

    def bounds(probability: float) -> tuple[float, float]:
        low, high = wilson(0.5, worth, t_quantile(probability, found.freedom))
        return quantile(counts, low), quantile(counts, high)

    return Estimate(value=quantile(counts, 0.5), of=round(float(below.of.sum())), bounds=bounds)


def words(key: str) -> str:
    """Return what a metric is called for people; names of classes stay as they are."""
    return key.replace("_", " ") if key in (MEAN_ERROR, MEDIAN_ERROR, BIAS) else key


def is_share(key: str) -> bool:
    """Say whether a metric is a share, of which more is better; else it is an error."""
    return key not in (MEAN_ERROR, MEDIAN_ERROR, BIAS)


def logarithm(of: Estimate) -> Estimate:
    """Return a size as its logarithm."""

    def bounds(probability: float) -> tuple[float, float]:
        low, high = of.bounds(probability)
        return _log(low), _log(high)

    return Estimate(value=_log(of.value), of=of.of, bounds=bounds)


def _log(size: float) -> float:
    return math.log(max(size, 1e-12))
