"""Moves what is usual to where traffic is now, when somebody says that a change is wanted. Called by `atlas-ops drift accept`.

The rhythm, the spread and the thresholds stay those of the history: a new level of hours or days says nothing about how far weeks
wander. Only where the new traffic itself moves more about its level than the history did, because its rhythm is another one now, is it
granted that much: what was accepted is no drift. What a short level costs is told to the score: its variance (`Spread.level`), great after six hours and small after a week, adds to
the spread, and falls when the level is taken again from longer traffic. Measured in the twenty days after, in three simulated worlds: with a
level of six hours 0.8 to 1.5 false pages a month without it and none with it, of three days 0.1 to 0.2 and up to 0.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from atlas_ops.detect.calibration import Calibration
from atlas_ops.detect.horizons import means
from atlas_ops.detect.score import residual
from atlas_ops.detect.season import HOUR
from atlas_ops.detect.spread import LEAST_ROWS, Spread
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import HORIZONS, STEP, Observed

LEAST_HOURS = 6.0
"""With less traffic the new level would be the weather of an hour."""
_ORDINARY = 0.01
"""Least p (1 - p) of the shares by whose spread that of a share which grew is guessed."""


def rebased(calibration: Calibration, observed: Observed, watched: Sequence[Statistic]) -> Calibration:
    """Return the calibration with the level of the traffic observed; ValueError when that is of less than six hours.

    A feature with fewer than 30 rows keeps its level.
    """
    hours = float((observed.rows.max(axis=1, initial=0.0) > 0).sum()) * STEP / HOUR
    if hours < LEAST_HOURS:
        raise ValueError(f"a level needs {LEAST_HOURS:g} hours with traffic at the least, found {hours:.1f}")
    rows = observed.rows.sum(axis=0)
    known = rows >= LEAST_ROWS
    mean = (residual(observed, calibration) * observed.rows).sum(axis=0) / np.maximum(rows, 1.0)
    table = calibration.season.table
    moved = replace(calibration.season, table=table + np.where(known, mean, 0.0))
    spread = _grown(calibration.spread, table.mean(axis=(0, 1)), moved.table.mean(axis=(0, 1)), watched)
    before = np.zeros(len(watched)) if spread.level is None else spread.level
    spread = replace(spread, level=np.where(known, _variance(spread, hours, rows), before))
    calibration = replace(calibration, season=moved, spread=spread)
    return replace(calibration, spread=_granted(calibration, observed))


def _granted(calibration: Calibration, observed: Observed) -> Spread:
    """Return the spread with a wander that is at least what the traffic itself shows, over each horizon."""
    spread = calibration.spread
    wander = spread.wander.copy()
    for place, over in enumerate(means(residual(observed, calibration), observed)):
        expected = spread.deviation(place, over.rows) ** 2
        excess = np.where(over.known, over.mean**2 - expected, 0.0).sum(axis=0) / np.maximum(over.known.sum(axis=0), 1)
        wander[place] += np.maximum(excess, 0.0)
    return replace(spread, wander=wander)


def _variance(spread: Spread, hours: float, rows: Floats) -> Floats:
    """Return the variance of the mean residual of so many hours: stretches as long as a horizon are independent of each other."""
    stretches = np.maximum(hours * HOUR / np.array(HORIZONS), 1.0)[:, None]
    wander = (spread.wander / stretches).max(axis=0)
    return np.asarray(wander + spread.per_row.max(axis=0) / np.maximum(rows, 1.0))


def _grown(spread: Spread, before: Floats, after: Floats, watched: Sequence[Statistic]) -> Spread:
    """Return the spread with that of each share which grew raised to what is usual among the shares of the history.

    A category that is new hardly moved while it was not there; without this it would be found to drift for ever.
    """
    old, new = (np.clip(shares, 0.0, 1.0) * (1.0 - np.clip(shares, 0.0, 1.0)) for shares in (before, after))
    shares = np.array([statistic.is_share for statistic in watched])
    ordinary = shares & (old >= _ORDINARY)
    if not ordinary.any():
        return spread
    raised = shares & (new > old)
    wander, per_row = (
        np.where(raised, np.maximum(of, np.median(of[:, ordinary] / old[ordinary], axis=1)[:, None] * new), of)
        for of in (spread.wander, spread.per_row)
    )
    return replace(spread, wander=wander, per_row=per_row)
