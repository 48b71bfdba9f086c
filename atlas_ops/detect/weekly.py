"""What happens at one hour of the week, week after week: a job on Wednesday night, reports on Monday morning. Called by `calibration`.

The baseline knows the hours of the day, apart for weekdays and weekends (`season`): 168 hours of their own would be noise of a few weeks
each. Here only an hour that stands out in every week is added, for it is usual. Without it, such an hour is beyond the greatest score of n
weeks in one of n + 1, and the limit that holds it down is too high for every other hour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.season import HOURS, hour
from atlas_ops.detect.spread import LEAST_ROWS, fitted
from atlas_ops.detect.statistics import Floats

LEAST_WEEKS = 3
"""With fewer weeks, what came twice by chance would be taken for usual."""
_PLAIN = 5.0
"""Standard errors that the mean of all weeks lies from nothing: of some 25,000 hours and statistics, one in sixty references has one by chance."""
_EACH = 1 / 3
"""Share of that mean that every single week shows: one great day is no habit."""


def weekly(times: Floats, residuals: Floats, rows: Floats) -> Floats:
    """Return what to add to the baseline at each hour of the week (from Thursday, UTC): shape (168, statistics), 0 where nothing stands out.

    `residuals[t, s]` are those of windows, in their order, against the baseline; each of `rows[t]` rows.
    """
    weeks, known, variance = _by_week(times, residuals, rows)
    count = known.sum(axis=0)[:, None]
    usual = weeks.sum(axis=0) / np.maximum(count, 1)
    error = np.sqrt(variance.sum(axis=0)) / np.maximum(count, 1)
    least = np.where(known[:, :, None], weeks * np.sign(usual), np.inf).min(axis=0)
    plain = (count >= LEAST_WEEKS) & (np.abs(usual) >= _PLAIN * error) & (least >= _EACH * np.abs(usual))
    return np.where(plain, usual, 0.0)


def _by_week(times: Floats, residuals: Floats, rows: Floats) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Return the mean residuals of each week and hour of it, which of them have rows enough, and their variance; the others are 0."""
    hours = hour(times)
    starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
    total = np.add.reduceat(rows, starts)
    mean = np.add.reduceat(residuals * rows[:, None], starts) / np.maximum(total, 1.0)[:, None]
    enough, each = total >= LEAST_ROWS, np.broadcast_to(total[:, None], mean.shape)
    wander, per_row = fitted(mean, each, np.broadcast_to(enough[:, None], mean.shape), np.zeros(mean.shape[1]))
    week, of_week = np.divmod(hours[starts][enough], HOURS)
    place, shape = (week - hours[0] // HOURS, of_week), (int(hours[-1] // HOURS - hours[0] // HOURS) + 1, HOURS)
    known = np.zeros(shape, dtype=np.bool_)
    weeks, variance = np.zeros((*shape, mean.shape[1])), np.zeros((*shape, mean.shape[1]))
    known[place], weeks[place] = True, mean[enough]
    variance[place] = wander + per_row / total[enough][:, None]
    return weeks, known, variance
