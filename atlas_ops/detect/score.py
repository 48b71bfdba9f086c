"""Scores live windows against a calibration, and says what moved. Called by `atlas-ops watch`, `drift.looks` and `benchmarks.drift_quality`.

A score is the greatest |z| over statistics and horizons; the slower chart adds up what hourly scores are above nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas_ops.detect.calibration import Calibration, charted, scored, standardised
from atlas_ops.detect.course import Course, course
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import HORIZONS, STEP, Observed

_MOST_CHART = 2.0
"""Multiple of its threshold above which the slower chart does not rise: it then clears within a shift of some ten hours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """One statistic that differs from what is usual: by `z` standard deviations over the last `seconds`."""

    statistic: Statistic
    z: float
    seconds: float
    value: float
    """What it is, over the horizon."""
    usual: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What the detectors make of every window and statistic: `seasonal[t, s]` is the greatest |z|, `slow[t, s]` the slower chart."""

    times: Floats
    seasonal: Floats
    slow: Floats

    @property
    def score(self) -> Floats:
        """The greatest seasonal score of each window."""
        return np.asarray(self.seasonal.max(axis=1, initial=0.0))

    @property
    def chart(self) -> Floats:
        """The greatest of the slower chart in each window."""
        return np.asarray(self.slow.max(axis=1, initial=0.0))


def score(observed: Observed, calibration: Calibration) -> Scores:
    """Score every window. The first day of them lacks the past that its horizons need; the slower chart begins at 0."""
    residuals = residual(observed, calibration)
    return Scores(
        times=observed.times,
        seasonal=scored(residuals, observed.rows, calibration.spread),
        slow=charted(residuals, observed, calibration.spread, _MOST_CHART * calibration.ticket),
    )


def by_feature(scores: Scores, calibration: Calibration, watched: Sequence[Statistic]) -> dict[str, dict[str, Course]]:
    """Return {feature: {`seasonal` or `slow`: its course}}: the greatest score of its statistics against the threshold of all."""
    found = {}
    for feature in dict.fromkeys(statistic.feature for statistic in watched):
        of = [place for place, statistic in enumerate(watched) if statistic.feature == feature]
        found[feature] = {
            "seasonal": course(scores.times, scores.seasonal[:, of].max(axis=1), calibration.page),
            "slow": course(scores.times, scores.slow[:, of].max(axis=1), calibration.ticket),
        }
    return found


def residual(observed: Observed, calibration: Calibration) -> Floats:
    """Return how far each statistic is from what is usual at its time; 0 where there were no rows."""
    usual = calibration.season.at(observed.times)
    return np.where(observed.rows > 0, observed.values - usual, 0.0)


def moved(
    observed: Observed, calibration: Calibration, watched: Sequence[Statistic], *, least: float
) -> tuple[Moved, ...]:
    """Return the statistics whose |z| is at least `least` in the last window, the greatest first."""
    residuals = residual(observed, calibration)
    usual = calibration.season.at(observed.times[-1:])[0]
    found = []
    zs = np.stack(
        [
            standardised(residuals, observed.rows, calibration.spread, place, seconds)[-1]
            for place, seconds in enumerate(HORIZONS)
        ]
    )
    for number, statistic in enumerate(watched):
        place = int(np.abs(zs[:, number]).argmax())
        z, seconds = float(zs[place, number]), HORIZONS[place]
        if abs(z) >= least:
            value = usual[number] + _mean(residuals, observed.rows, number, seconds)
            found.append(
                Moved(statistic=statistic, z=z, seconds=seconds, value=float(value), usual=float(usual[number]))
            )
    return tuple(sorted(found, key=lambda one: -abs(one.z)))


def _mean(residuals: Floats, rows: Floats, number: int, seconds: float) -> float:
    width = round(seconds / STEP)
    weights = rows[-width:, number]
    total = float(weights.sum())
    return float(residuals[-width:, number] @ weights) / total if total else 0.0
