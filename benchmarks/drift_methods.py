"""What each way to look for drift says of the same counts, window by window. Used by `benchmarks.drift_quality`.

Ours learn a history; the textbook's compare five minutes or an hour with the shares of that history, by the limits of their manuals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect import batch
from atlas_ops.detect.calibration import calibrate
from atlas_ops.detect.cold import cold, in_weekends
from atlas_ops.detect.course import drifted
from atlas_ops.detect.distances import psi, smoothed
from atlas_ops.detect.features import Counts, Feature
from atlas_ops.detect.score import residual, score
from atlas_ops.detect.season import DAY
from atlas_ops.detect.spread import LEAST_ROWS
from atlas_ops.detect.statistics import Statistic, statistics
from atlas_ops.detect.windows import HORIZONS, STEP, Observed, Windows, last, observe
from benchmarks.drift_worlds import A_DAY

Floats = NDArray[np.float64]
COLD_DAYS = 7
_AN_HOUR = 12


def part(windows: Windows, first: int, end: int) -> Windows:
    """Return some of the windows."""
    return Windows(windows.times[first:end], {name: counts[first:end] for name, counts in windows.counts.items()})


def totals(windows: Windows) -> dict[str, Counts]:
    """Return the counts of all windows together."""
    return {name: counts.sum(axis=0) for name, counts in windows.counts.items()}


def watched(features: Sequence[Feature], history: Windows) -> tuple[Statistic, ...]:
    """Return what is watched after a history."""
    counts = totals(history)
    return tuple(one for feature in features for one in statistics(feature, smoothed(counts[feature.name])))


def alarms(features: Sequence[Feature], windows: Windows, cut: int, histories: Sequence[int]) -> dict[str, Floats]:
    """Return 1 in each window from `cut` on in which a method is in alarm. Histories are the days before that ours learn."""
    found: dict[str, Floats] = {}
    for days in histories:
        found.update(_seasonal(features, windows, cut, days))
    known = part(windows, cut - COLD_DAYS * A_DAY, cut)
    courses = cold(part(windows, cut - A_DAY, len(windows.times)), totals(known), in_weekends(known)).values()
    found[f"cold start, {COLD_DAYS} days"] = np.maximum.reduce([course.found[A_DAY:] for course in courses])
    shares = {name: smoothed(c) for name, c in totals(part(windows, cut - histories[0] * A_DAY, cut)).items()}
    return {**found, **_textbook(part(windows, cut - _AN_HOUR, len(windows.times)), shares)}


def _seasonal(features: Sequence[Feature], windows: Windows, cut: int, days: int) -> dict[str, Floats]:
    history = part(windows, cut - days * A_DAY, cut)
    of = watched(features, history)
    calibration = calibrate(observe(history, of), of)
    scores = score(observe(part(windows, cut - A_DAY, len(windows.times)), of), calibration)
    return {
        f"page, {days} days": drifted(scores.score, calibration.page)[A_DAY:],
        f"ticket, {days} days": drifted(scores.chart, calibration.ticket)[A_DAY:],
    }


def _textbook(windows: Windows, shares: Mapping[str, Floats]) -> dict[str, Floats]:
    """`windows` begin an hour earlier than what is told of them."""
    ks, far = np.zeros(len(windows.times)), np.zeros(len(windows.times))
    ks_limit = np.sqrt(-np.log(0.05 / len(shares) / 2) / 2)
    for name, counts in windows.counts.items():
        rows = np.maximum(counts.sum(axis=1), 1)
        gap = np.abs(np.cumsum(counts / rows[:, None], axis=1) - np.cumsum(shares[name])).max(axis=1)
        ks = np.maximum(ks, gap * np.sqrt(rows) / ks_limit)
        far = np.maximum(far, psi(smoothed(last(counts.astype(np.float64), _AN_HOUR)), shares[name]))
    found = {
        "KS of 5 min, .05 / features": ks >= 1,
        "PSI of an hour > 0.1": far > 0.1,
        "PSI of an hour > 0.25": far > 0.25,
    }
    return {name: alarm[_AN_HOUR:].astype(np.float64) for name, alarm in found.items()}


def checked(features: Sequence[Feature], windows: Windows, cut: int, days: int) -> tuple[Floats, Floats]:
    """Return 1 for each day from `cut` on of which `drift check` says drift: with the times of the rows, and without."""
    history, live = part(windows, cut - days * A_DAY, cut), part(windows, cut, len(windows.times))
    of = watched(features, history)
    seen = observe(history, of)
    calibration = calibrate(seen, of)
    timed = _timed(batch.by_hour_of_week(seen, of), residual(observe(live, of), calibration), observe(live, of))
    return timed, _untimed(batch.by_blocks(history, of), history, live, of)


def _timed(limits: batch.Limits, residuals: Floats, observed: Observed) -> Floats:
    size = len(observed.times) // A_DAY
    found = np.zeros(size, dtype=np.bool_)
    for length, seconds in enumerate(HORIZONS):
        mean, rows, _ = batch.parts(observed.times, residuals, observed.rows, seconds)
        each = round(DAY / seconds)
        z = np.where(rows >= LEAST_ROWS, np.abs(mean) / limits.spread.deviation(length, rows), 0.0).max(axis=1)
        found |= (z.reshape(size, each) >= limits.limit(length, len(HORIZONS) * each)).any(axis=1)
    return found.astype(np.float64)


def _untimed(limits: batch.Limits, history: Windows, live: Windows, of: Sequence[Statistic]) -> Floats:
    """As `drift.looks.whole` does: all rows of a day against all of the history."""
    size = len(live.times) // A_DAY
    days = {name: counts.reshape(size, A_DAY, -1).sum(axis=1) for name, counts in live.counts.items()}
    now = observe(Windows(np.arange(size) * DAY, days), of)
    then = observe(Windows(np.array([STEP]), {name: counts[None] for name, counts in totals(history).items()}), of)
    rows = batch.effective(now.rows, then.rows)
    found = []
    for value, own in zip(now.values - then.values, rows, strict=True):
        place = limits.nearest(float(own.max()))
        found.append(np.abs(value / limits.spread.deviation(place, own)).max() >= limits.limit(place, 1))
    return np.array(found, dtype=np.float64)
