"""Scores live windows against a calibration, and says what moved. Called by `atlas-ops watch`, `drift.looks` and `benchmarks.drift_quality`.

A score is the greatest |z| over statistics and horizons; the slower chart adds up what hourly scores are above nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.calibration import Calibration
from atlas_ops.detect.course import CLEAR_SHARE, Course, course
from atlas_ops.detect.horizons import charted, greatest, means
from atlas_ops.detect.move import Move
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import Observed

_MOST_CHART = 2.0
"""Multiple of its threshold above which the slower chart does not rise: it then clears within a shift of some ten hours."""


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
    z = [
        mean.z(calibration.spread, place) for place, mean in enumerate(means(residual(observed, calibration), observed))
    ]
    return Scores(
        times=observed.times,
        seasonal=greatest(z),
        slow=charted(z[0], observed.times, _MOST_CHART * calibration.ticket),
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


def known(observed: Observed) -> NDArray[np.bool_]:
    """Say of each statistic whether the last window can be told anything of it, by any horizon."""
    return np.asarray(np.any([mean.known[-1] for mean in means(observed.values, observed)], axis=0))


def residual(observed: Observed, calibration: Calibration) -> Floats:
    """Return how far each statistic is from what is usual at its time; 0 where there were no rows."""
    usual = calibration.season.at(observed.times)
    return np.where(observed.rows > 0, observed.values - usual, 0.0)


def moved(
    observed: Observed, scores: Scores, calibration: Calibration, watched: Sequence[Statistic]
) -> dict[str, tuple[Move, ...]]:
    """Return {feature: its statistics that moved, the most first} of the features of which drift is found in the last window."""
    usual, off = calibration.season.at(observed.times[-1:])[0], _off(observed, calibration)
    found = {}
    for feature, courses in by_feature(scores, calibration, watched).items():
        since = min((one.rising_since for one in courses.values() if one.rising_since is not None), default=None)
        if since is None:
            continue
        moves = []
        for place, statistic in enumerate(watched):
            score, limit = _nearest(scores, calibration, place)
            if statistic.feature == feature and score >= CLEAR_SHARE * limit:
                value, before = float(usual[place] + off[place]), float(usual[place])
                moves.append(
                    Move(statistic=statistic, score=score, limit=limit, value=value, usual=before, since=since)
                )
        found[feature] = tuple(sorted(moves, key=lambda one: -one.score / one.limit))
    return found


def _nearest(scores: Scores, calibration: Calibration, place: int) -> tuple[float, float]:
    """Return the score of a statistic in the last window, and its limit, of the detector that is nearer to it."""
    both = (scores.seasonal[-1, place], calibration.page), (scores.slow[-1, place], calibration.ticket)
    score, limit = max(both, key=lambda one: float(one[0]) / one[1])
    return float(score), limit


def _off(observed: Observed, calibration: Calibration) -> Floats:
    """Return the mean residual of each statistic over the horizon in which it is furthest from nothing."""
    off = most = np.zeros(observed.values.shape[1])
    for place, mean in enumerate(means(residual(observed, calibration), observed)):
        z = np.abs(mean.z(calibration.spread, place)[-1])
        off, most = np.where(z > most, mean.mean[-1], off), np.maximum(most, z)
    return off
