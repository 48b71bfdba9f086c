"""Scores live windows against a calibration, and says what moved. Called by `drift.looks` and `benchmarks.drift_quality`.

A score is the greatest |z| over statistics and horizons. Drift is found at the page threshold and lasts until the score falls
below 0.7 of it, so that a score which hovers does not come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atlas_ops.detect.calibration import Calibration, charted, standardised
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import HORIZONS, STEP, Observed

CLEAR_SHARE = 0.7


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
    """`by_statistic[t, s]` and, over all of them, `score[t]`; `chart[t]` is the slower one."""

    times: Floats
    by_statistic: Floats
    score: Floats
    chart: Floats


def score(observed: Observed, calibration: Calibration) -> Scores:
    """Score every window. The first day of them lacks the past that its horizons need."""
    residuals = residual(observed, calibration)
    by_horizon = [
        np.abs(standardised(residuals, observed.rows, calibration.spread, place, seconds))
        for place, seconds in enumerate(HORIZONS)
    ]
    by_statistic = np.maximum.reduce(by_horizon)
    _, chart = charted(residuals, observed.rows, calibration.spread)
    return Scores(
        times=observed.times, by_statistic=by_statistic, score=by_statistic.max(axis=1, initial=0.0), chart=chart
    )


def residual(observed: Observed, calibration: Calibration) -> Floats:
    """Return how far each statistic is from what is usual at its time; 0 where there were no rows."""
    usual = calibration.season.at(observed.times)
    return np.where(observed.rows > 0, observed.values - usual, 0.0)


def drifted(scores: Floats, threshold: float) -> Floats:
    """Return 1 while drift is found: from the threshold on, until the score is below 0.7 of it."""
    found, inside = np.zeros(len(scores)), False
    for place, value in enumerate(scores):
        inside = value >= threshold or (inside and value >= CLEAR_SHARE * threshold)
        found[place] = inside
    return found


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
