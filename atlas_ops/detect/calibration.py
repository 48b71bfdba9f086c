"""What a model's own history teaches: what is usual, how far it wanders without drift, and from which score on it is drift.

Called by `atlas_ops.drift` when a reference is made. Textbook limits page tens to thousands of times a month on real traffic (measured:
drift reference, section 3.1). Here every week of the history is judged by the others alone, its baseline and its spread both, as
live traffic will be; the greatest score of each quiet day then tells how high a threshold has to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.horizons import Mean, charted, greatest, means
from atlas_ops.detect.season import DAY, WEEK, Season, season
from atlas_ops.detect.spread import Spread, fitted, sampling_variance
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.weekly import weekly
from atlas_ops.detect.windows import STEP, Observed

LEAST_DAYS = 14.0
"""With less history a score is no ground for a page: two weeks tell what one day of the week is like from another's."""
YEAR_DAYS = 365.0
"""The threshold is the score that a quiet model reaches once in so many days: one year nominal was measured as 0.04 to 0.2 false pages a
month after four weeks of history, for the tail of a month is guessed (`benchmarks.drift_quality`)."""
TICKET_DAYS = 150.0
"""Likewise of the slower chart, which only writes tickets: measured as 0.1 to 0.6 a month."""
_LEAST_THRESHOLD = 3.0
"""Standard deviations: a history in which nothing ever moved, such as a model that has given one class alone, has no tail to take one from."""
_EULER = 0.5772156649
_HOUR = round(3600 / STEP)
"""Windows from one mean to the next that a spread is fitted to: those between tell hardly more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """What the history taught. Thresholds are scores; `days` is how much history there was."""

    season: Season
    spread: Spread
    page: float
    """At or above it the model has drifted; it counts as over below 0.7 of it."""
    ticket: float
    """Threshold of the slower chart."""
    days: float

    @property
    def pages(self) -> bool:
        """Whether there was enough history for a page."""
        return self.days >= LEAST_DAYS


@dataclass(frozen=True, slots=True)
class Fold:
    """A week of the history, and the spread of all others."""

    inside: NDArray[np.bool_]
    spread: Spread


def calibrate(observed: Observed, watched: Sequence[Statistic]) -> Calibration:
    """Fit everything to a history without drift, of a day or more."""
    over = means(left_out(observed), observed)
    sampling = sampling_variance(observed, watched)
    z = [np.zeros_like(mean.mean) for mean in over]
    for fold in folds(observed, over, sampling):
        for place, mean in enumerate(over):
            z[place][fold.inside] = mean.of(fold.inside).z(fold.spread, place)
    days = (observed.times - observed.times[0]) // DAY
    seen = observed.rows.sum(axis=1) > 0
    return Calibration(
        season=_usual(observed.times, observed.values, _rows(observed)),
        spread=spread_of(over, sampling),
        page=_threshold(over, greatest(z), days, YEAR_DAYS),
        ticket=_threshold(over, charted(z[0], observed.times), days, TICKET_DAYS),
        days=float(np.unique(days[seen]).size),
    )


def folds(observed: Observed, over: Sequence[Mean], sampling: Floats) -> Iterator[Fold]:
    """Yield each week (with less than two: each day) with the spread of the others; a single one with its own."""
    parts = _parts(observed.times)
    for part in np.unique(parts):
        inside = parts == part
        yield Fold(inside, spread_of(over, sampling, inside if inside.all() else ~inside))


def spread_of(over: Sequence[Mean], sampling: Floats, used: NDArray[np.bool_] | None = None) -> Spread:
    """Fit the spread of each horizon to the means of the windows that are used."""
    chosen = np.zeros(len(over[0].mean), dtype=np.bool_)
    chosen[_HOUR - 1 :: _HOUR] = True
    chosen &= True if used is None else used
    fits = [fitted(mean.mean[chosen], mean.rows[chosen], mean.known[chosen], sampling) for mean in over]
    return Spread(np.array([wander for wander, _ in fits]), np.array([per_row for _, per_row in fits]))


def _threshold(over: Sequence[Mean], scores: Floats, days: Floats, once_in: float) -> float:
    """Return the score that is drift; infinite where nothing ever had rows enough for one."""
    if not any(mean.known.any() for mean in over):
        return math.inf
    return max(_LEAST_THRESHOLD, return_level(_daily(scores.max(axis=1, initial=0.0), days), once_in))


def return_level(maxima: Floats, days: float) -> float:
    """Return the score whose daily maximum is exceeded once in so many days: Gumbel's distribution by its moments."""
    if len(maxima) < 2:
        return math.inf
    scale = float(np.std(maxima, ddof=1)) * math.sqrt(6) / math.pi
    centre = float(np.mean(maxima)) - _EULER * scale
    return centre - scale * math.log(-math.log(1 - 1 / days))


def _daily(scores: Floats, days: Floats) -> Floats:
    return np.array([scores[days == day].max() for day in np.unique(days)])


def _rows(observed: Observed) -> Floats:
    return np.asarray(observed.rows.max(axis=1, initial=0.0))


def _usual(times: Floats, values: Floats, rows: Floats) -> Season:
    """Fit the baseline, and what single hours of the week add to it."""
    found = season(times, values, rows)
    residuals = np.where(rows[:, None] > 0, values - found.at(times), 0.0)
    return replace(found, added=weekly(times, residuals, rows))


def left_out(observed: Observed) -> Floats:
    """Return residuals against a baseline that has not seen the week itself (with less than two weeks: the day)."""
    parts = _parts(observed.times)
    rows = _rows(observed)
    residuals = np.zeros_like(observed.values)
    for part in np.unique(parts):
        inside, outside = parts == part, parts != part
        fitted = _usual(observed.times[outside], observed.values[outside], rows[outside]) if outside.any() else None
        usual = fitted.at(observed.times[inside]) if fitted else observed.values[inside]
        residuals[inside] = np.where(observed.rows[inside] > 0, observed.values[inside] - usual, 0.0)
    return residuals


def _parts(times: Floats) -> NDArray[np.int64]:
    length = WEEK if times[-1] - times[0] > 1.5 * WEEK else DAY
    return np.asarray((times - times[0]) // length, dtype=np.int64)
