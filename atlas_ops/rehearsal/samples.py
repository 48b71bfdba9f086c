"""Samples of one run as columns of numbers: series by series, on a common grid of scrapes.

Filled by `play` and `history`, written to Prometheus by `remote_write`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Labels = tuple[tuple[str, str], ...]
Times = npt.NDArray[np.int64]
"""Milliseconds of Unix time, ascending."""
Values = npt.NDArray[np.float64]
STALE_NAN = np.array([0x7FF0000000000002], dtype=np.uint64).view(np.float64)[0]
"""What Prometheus writes where a series ends (`value.StaleNaN`); the bits have to survive, so it is only ever copied."""


class Series(NamedTuple):
    """A name and labels; `__name__` is not among them, and labels of no value are left out."""

    name: str
    labels: Labels


class Written(NamedTuple):
    """What is to be written of one series. A value that is Prometheus's stale marker ends it."""

    series: Series
    times: Times
    values: Values


class Sheet:
    """Takes in rows, scrape by scrape. Series that belong together come in blocks: one tuple of series, one row of values."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self._blocks: dict[int, tuple[tuple[Series, ...], list[int], list[Sequence[float]]]] = {}

    def begin(self, time_ms: int) -> None:
        """Begin the next scrape."""
        self.times.append(time_ms)

    def put(self, series: tuple[Series, ...], values: Sequence[float]) -> None:
        """Take in the values of a block. The tuple itself tells blocks apart, so it has to be kept and handed in again."""
        _, scrapes, rows = self._blocks.setdefault(id(series), (series, [], []))
        scrapes.append(len(self.times) - 1)
        rows.append(values)

    def table(self) -> Table:
        """Return everything that was taken in. A series of several blocks is one."""
        values: dict[Series, Values] = {}
        for series, scrapes, rows in self._blocks.values():
            columns = np.asarray(rows, dtype=np.float64).T
            for one, column in zip(series, columns, strict=True):
                if one not in values:
                    values[one] = np.full(len(self.times), np.nan)
                values[one][scrapes] = column
        return Table(np.asarray(self.times, dtype=np.int64), values)


class Table:
    """Values by series on a grid of times; NaN where a series has none."""

    def __init__(self, times: Times, values: dict[Series, Values]) -> None:
        self.times, self.values = times, values

    def written(self) -> list[Written]:
        """Return what a Prometheus that scraped this has: where a series is missing from the next scrape, it is marked stale."""
        return [ended(series, self.times, column, ~np.isnan(column)) for series, column in self.values.items()]


def ended(series: Series, times: Times, column: Values, there: npt.NDArray[np.bool_]) -> Written:
    """Return a column without the places where nothing is `there`; each gap begins with a stale marker."""
    if there.all():
        return Written(series, times, column)
    ends = np.zeros(len(column), dtype=bool)
    ends[1:] = there[:-1] & ~there[1:]
    kept = there | ends
    return Written(series, times[kept], np.where(ends, STALE_NAN, column)[kept])
