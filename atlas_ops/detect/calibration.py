"""How far a model's own history wanders without any drift: what makes a score of live traffic mean something.

Called by `atlas_ops.drift` when a reference is made. Textbook limits page tens to thousands of times a month on real traffic; the
spread of residuals that a baseline of the other weeks leaves in each week holds the day-to-day wander as well, and the greatest
score of each quiet day tells how high a threshold has to be (measured: drift reference, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.season import DAY, HOUR, WEEK, Season, season
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import HORIZONS, STEP, Observed, rolled

LEAST_DAYS = 14.0
"""With less history a score is no ground for a page: two weeks tell what one day of the week is like from another's."""
LEAST_ROWS = 30.0
"""A horizon with fewer rows has no score."""
YEAR_DAYS = 365.0
"""The threshold is the score that a quiet model reaches once in so many days: one year nominal was measured as 0.1 to 0.95 false
pages a month, because the wander of one year is not that of the next."""
TICKET_DAYS = 150.0
"""Likewise of the slower chart, which only writes tickets."""
CUSUM_SLACK = 1.5
"""What an hourly score may be above nothing without adding to the slower chart, in standard deviations."""
_LEAST_WANDER = 0.002
"""Standard deviation that every statistic is granted: a share that never moved in the history may move by as much."""
_EULER = 0.5772156649


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


def calibrate(observed: Observed, watched: Sequence[Statistic]) -> Calibration:
    """Fit everything to a history without drift, of a day or more."""
    residuals = left_out(observed)
    spread = _spread(residuals, observed, watched)
    scores = scored(residuals, observed, spread).max(axis=1, initial=0.0)
    chart = charted(residuals, observed, spread).max(axis=1, initial=0.0)
    days = (observed.times - observed.times[0]) // DAY
    seen = observed.rows.sum(axis=1) > 0
    return Calibration(
        season=season(observed.times, observed.values, _rows(observed)),
        spread=spread,
        page=return_level(_daily(scores, days), YEAR_DAYS),
        ticket=return_level(_daily(chart, days), TICKET_DAYS),
        days=float(np.unique(days[seen]).size),
    )


def scored(residuals: Floats, observed: Observed, spread: Spread) -> Floats:
    """Return |z| of each window and statistic, the greatest over the horizons: shape (windows, statistics)."""
    best = np.zeros_like(residuals)
    for place, seconds in enumerate(HORIZONS):
        best = np.maximum(best, np.abs(standardised(residuals, observed, spread, place, seconds)))
    return best


def standardised(residuals: Floats, observed: Observed, spread: Spread, place: int, seconds: float) -> Floats:
    """Return z over one horizon; 0 where it has too few rows, or too little of it was seen."""
    mean, total = rolled(residuals, observed.rows, seconds)
    z = mean / spread.deviation(place, total)
    return np.where(tells(observed, total, seconds), z, 0.0)


def tells(observed: Observed, rows: Floats, seconds: float) -> NDArray[np.bool_]:
    """Say of each window and statistic whether a horizon with so many rows has a score."""
    return np.asarray((rows >= LEAST_ROWS) & observed.covers(seconds)[:, None])


def charted(residuals: Floats, observed: Observed, spread: Spread, most: float = math.inf) -> Floats:
    """Return the slower chart of each window and statistic: the greater CUSUM of hourly z, either way, from the end of its hour on.

    It does not rise above `most`, so that it comes down soon after what it saw is over.
    """
    ends = observed.times // HOUR > (observed.times - STEP) // HOUR
    sums = np.zeros((2, residuals.shape[1]))
    levels = [sums[0]]
    for z in standardised(residuals, observed, spread, 0, HORIZONS[0])[ends]:
        sums = np.clip(sums + np.stack([z, -z]) - CUSUM_SLACK, 0.0, most)
        levels.append(sums.max(axis=0))
    return np.asarray(np.stack(levels)[np.cumsum(ends)])


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


def left_out(observed: Observed) -> Floats:
    """Return residuals against a baseline that has not seen the week itself (with less than two weeks: the day)."""
    length = WEEK if observed.times[-1] - observed.times[0] > 1.5 * WEEK else DAY
    parts = ((observed.times - observed.times[0]) // length).astype(np.int64)
    rows = _rows(observed)
    residuals = np.zeros_like(observed.values)
    for part in np.unique(parts):
        inside, outside = parts == part, parts != part
        fitted = season(observed.times[outside], observed.values[outside], rows[outside]) if outside.any() else None
        usual = fitted.at(observed.times[inside]) if fitted else observed.values[inside]
        residuals[inside] = np.where(observed.rows[inside] > 0, observed.values[inside] - usual, 0.0)
    return residuals


def _spread(residuals: Floats, observed: Observed, watched: Sequence[Statistic]) -> Spread:
    sampling = sampling_variance(observed, watched)
    wander, per_row = [], []
    for seconds in HORIZONS:
        mean, rows = rolled(residuals, observed.rows, seconds)
        fits = [fitted_variance(mean[:, one], rows[:, one], sampling[one]) for one in range(len(watched))]
        wander.append([fit[0] for fit in fits])
        per_row.append([fit[1] for fit in fits])
    return Spread(np.array(wander), np.array(per_row))


def sampling_variance(observed: Observed, watched: Sequence[Statistic]) -> Floats:
    """Return the variance of one row of each statistic when rows are independent, at least that of one odd row in all."""
    totals = observed.rows.sum(axis=0)
    means = (observed.values * observed.rows).sum(axis=0) / np.maximum(totals, 1.0)
    shares = (means * totals + 0.5) / (totals + 1.0)
    bounded = np.clip(shares, 0.0, 1.0)
    return np.where([statistic.is_share for statistic in watched], bounded * (1 - bounded), 1.0)


def fitted_variance(mean: Floats, rows: Floats, sampling: float) -> tuple[float, float]:
    """Fit variance = wander + per_row / n by weighted least squares; neither falls below what chance alone gives."""
    used = rows >= LEAST_ROWS
    least = _LEAST_WANDER**2
    if used.sum() < 10:
        return least, float(sampling)
    squares, inverse = mean[used] ** 2, 1.0 / rows[used]
    wander, per_row = max(least, float(squares.mean())), float(sampling)
    for _ in range(4):
        weights = 1.0 / (wander + per_row * inverse) ** 2
        total, first = weights.sum(), float(weights @ inverse)
        second, right, mixed = (
            float(weights @ inverse**2),
            float(weights @ squares),
            float(weights @ (inverse * squares)),
        )
        determinant = total * second - first**2
        if determinant <= 1e-12 * total * second:
            wander, per_row = max(least, float(right / total) - sampling * float(inverse.mean())), float(sampling)
            break
        wander = max(least, float((right * second - mixed * first) / determinant))
        per_row = max(float(sampling), float((mixed * total - right * first) / determinant))
    return wander, per_row
