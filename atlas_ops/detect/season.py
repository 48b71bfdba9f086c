"""What is usual at an hour of the week: the baseline that statistics are compared with. Used by `calibration`, `weekly` and `cold`.

Hour of the day, apart for weekdays and weekends, each shrunk towards the hour over all days, smoothed over neighbouring hours, and
interpolated between their middles. Daylight saving moves it by an hour; the calibration has seen as much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.statistics import Floats

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
HOURS = 168
"""Of a week."""
_THURSDAY = 3
"""1970 began on a Thursday."""
_SHRINK_DAYS = 2.0
"""Days of one kind that weigh as much as the hour over all days."""
_KERNEL = (0.25, 0.5, 0.25)


def weekend(times: Floats) -> NDArray[np.bool_]:
    """Say which Unix times lie in a weekend (UTC)."""
    return ((times // DAY).astype(np.int64) + _THURSDAY) % 7 >= 5


def hour(ends: Floats) -> NDArray[np.int64]:
    """Return the hours, counted since 1970, in which windows lie that end at these Unix times."""
    return np.asarray(np.ceil(ends / HOUR) - 1, dtype=np.int64)


def in_weekend(ends: Floats) -> NDArray[np.bool_]:
    """Say which windows, that end at these Unix times, lie in a weekend (UTC)."""
    return weekend(hour(ends) * HOUR)


@dataclass(frozen=True, slots=True)
class Season:
    """The usual value of statistics: `table[kind of day, hour, statistic]`, and what one hour of the week adds to it."""

    table: Floats
    added: Floats | None = None
    """`added[hour of the week, statistic]`, of windows that end in it (`weekly`); None: nothing."""

    def at(self, times: Floats) -> Floats:
        """Return the usual values at Unix times: shape (times, statistics)."""
        hours = (times % DAY) / HOUR - 0.5
        low = np.floor(hours).astype(np.int64)
        share = (hours - low)[:, None]
        kinds = weekend(times).astype(np.int64)
        usual = (1 - share) * self.table[kinds, low % 24] + share * self.table[kinds, (low + 1) % 24]
        return np.asarray(usual if self.added is None else usual + self.added[hour(times) % HOURS])


def season(times: Floats, values: Floats, rows: Floats) -> Season:
    """Fit the baseline to values of shape (times, statistics), each of so many rows. Hours without any take the overall mean."""
    hours = ((times % DAY) // HOUR).astype(np.int64)
    kinds = weekend(times).astype(np.int64)
    overall = _mean(values, rows)
    by_hour = _table(hours, values, rows, 24, overall)
    tables = []
    for kind in (0, 1):
        of = kinds == kind
        found = _table(hours[of], values[of], rows[of], 24, overall, by_hour)
        days = max(1, len(np.unique(times[of] // DAY))) if of.any() else 0
        weight = days / (days + _SHRINK_DAYS)
        tables.append(_smooth(weight * found + (1 - weight) * by_hour))
    return Season(np.stack(tables))


def _mean(values: Floats, rows: Floats) -> Floats:
    total = rows.sum()
    return np.asarray(rows @ values / total if total > 0 else np.zeros(values.shape[1]))


def _table(
    hours: NDArray[np.int64], values: Floats, rows: Floats, size: int, overall: Floats, fallback: Floats | None = None
) -> Floats:
    weights = np.bincount(hours, weights=rows, minlength=size)
    sums = np.stack([np.bincount(hours, weights=rows * column, minlength=size) for column in values.T], axis=1)
    empty = fallback if fallback is not None else np.broadcast_to(overall, sums.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights[:, None] > 0, sums / weights[:, None], empty)


def _smooth(table: Floats) -> Floats:
    before, here, after = _KERNEL
    return np.asarray(before * np.roll(table, 1, axis=0) + here * table + after * np.roll(table, -1, axis=0))
