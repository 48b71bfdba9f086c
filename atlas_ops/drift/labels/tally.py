"""What is counted of joined predictions and labels, by slots of time: sums that add up over parts. Filled by `join`, read by `quality`.

A slot is an hour, or a day where hours would be too many; without times, one of 256 equal runs of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atlas_ops.detect.season import DAY, HOUR
from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.labels.intervals import Sums
from atlas_ops.errors import DataError

RUNS = 256
"""Parts that rows without times are cut into, in their order."""
_RUN_GROUPS = 16
"""Longer runs, which take the place of days."""
_MOST_CELLS = 4_000_000
"""Slots times bins; beyond, a slot is a day."""
_MOST_DAYS = 3_660
"""Ten years: more is an odd value among the times."""
_STEP = 0.02
"""How much greater each bin of errors is than the one below it: a median is right to 1 %."""
_FIRST, _LAST = 1e-9, 1e12
BINS = int(np.ceil(np.log(_LAST / _FIRST) / _STEP)) + 2
"""Bins of absolute errors."""
ACTUAL, PREDICTED, BOTH = range(3)
Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """How times become slots. `seconds` is 0 where slots are runs of rows; then `first` and `last` are numbers of rows."""

    first: float
    last: float
    seconds: float

    @classmethod
    def of(cls, span: tuple[float, float], *, timed: bool, width: int) -> Slots:
        """Return the slots of a span of times or of rows, for `width` bins in each; DataError when it is too long."""
        if not timed:
            return cls(first=span[0], last=span[1], seconds=0.0)
        hours = (span[1] - span[0]) / HOUR
        if hours * HOUR > _MOST_DAYS * DAY:
            raise DataError(
                f"the times of the predictions span {hours * HOUR / DAY:,.0f} days, more than the {_MOST_DAYS:,} that are looked at",
                next_step="look for odd values in the time column (0, a wrong unit)",
            )
        seconds = HOUR if hours * width <= _MOST_CELLS else DAY
        return cls(first=span[0] // seconds * seconds, last=span[1], seconds=seconds)

    @property
    def count(self) -> int:
        """How many there are."""
        return int((self.last - self.first) // self.seconds) + 1 if self.seconds else RUNS

    def places(self, at: Floats) -> Places:
        """Return the slot of each time, or row."""
        if self.seconds:
            return ((at - self.first) // self.seconds).astype(np.int64)
        return ((at - self.first) * RUNS // (self.last - self.first + 1)).astype(np.int64)

    @property
    def starts(self) -> Floats:
        """When each slot begins (Unix seconds); of runs, their number."""
        return self.first + np.arange(self.count) * self.seconds if self.seconds else np.arange(RUNS, dtype=np.float64)

    @property
    def days(self) -> Places:
        """The day of each slot, from 0 on; of runs, sixteen of them."""
        if not self.seconds:
            return np.arange(RUNS) // (RUNS // _RUN_GROUPS)
        days = (self.starts // DAY).astype(np.int64)
        return np.asarray(days - days[0])


@dataclass(kw_only=True)
class Tally:
    """Counts by slot. `classes` is empty for numbers."""

    slots: Slots
    classes: tuple[str, ...] = ()
    predicted: Floats = field(init=False)
    """Predictions, whether or not their label has arrived."""
    labelled: Floats = field(init=False)
    right: Floats = field(init=False)
    """Labels that the prediction was right about."""
    by_class: Floats = field(init=False)
    """Of each class: labels, predictions that are labelled, and both; shape (slots, classes, 3)."""
    sums: Floats = field(init=False)
    """Of errors (prediction less label): the sum, that of absolute errors, and of squares; shape (slots, 3)."""
    sizes: Floats = field(init=False)
    """Absolute errors in bins that grow by `_STEP`, the first for those of nearly 0; shape (slots, bins)."""

    def __post_init__(self) -> None:
        count, numbers = self.slots.count, not self.classes
        self.predicted, self.labelled, self.right = (np.zeros(count) for _ in range(3))
        self.by_class = np.zeros((count, len(self.classes), 3))
        self.sums, self.sizes = np.zeros((count, 3)), np.zeros((count, BINS if numbers else 0))

    def add_predictions(self, at: Floats) -> None:
        """Count predictions, with and without label."""
        np.add.at(self.predicted, self.slots.places(at), 1.0)

    def add_classes(self, at: Floats, predicted: Places, actual: Places) -> None:
        """Count pairs of classes (places in `classes`)."""
        slots, right = self.slots.places(at), predicted == actual
        np.add.at(self.labelled, slots, 1.0)
        np.add.at(self.right, slots[right], 1.0)
        flat, first = self.by_class.reshape(-1), 3 * len(self.classes) * slots
        np.add.at(flat, first + 3 * actual + ACTUAL, 1.0)
        np.add.at(flat, first + 3 * predicted + PREDICTED, 1.0)
        np.add.at(flat, (first + 3 * actual + BOTH)[right], 1.0)

    def add_numbers(self, at: Floats, predicted: Floats, actual: Floats) -> None:
        """Count pairs of numbers."""
        slots, error = self.slots.places(at), predicted - actual
        size = np.abs(error)
        np.add.at(self.labelled, slots, 1.0)
        for place, values in enumerate((error, size, size**2)):
            np.add.at(self.sums[:, place], slots, values)
        np.add.at(self.sizes.reshape(-1), slots * BINS + bins(size), 1.0)

    def shares(self, part: int, of: int, place: int) -> Sums:
        """Return precision or recall of a class by slot: `part` of `of`."""
        hits = self.by_class[:, place, part]
        return Sums(total=hits, squares=hits, of=self.by_class[:, place, of])

    @property
    def accuracy(self) -> Sums:
        """Labels that were predicted, by slot."""
        return Sums(total=self.right, squares=self.right, of=self.labelled)

    @property
    def absolute(self) -> Sums:
        """Absolute errors by slot."""
        return Sums(total=self.sums[:, 1], squares=self.sums[:, 2], of=self.labelled)

    @property
    def signed(self) -> Sums:
        """Errors by slot."""
        return Sums(total=self.sums[:, 0], squares=self.sums[:, 2], of=self.labelled)

    def up_to(self, size: float) -> Sums:
        """Return the labels whose absolute error is in the bin of `size` or below it, by slot."""
        hits = self.sizes[:, : int(bins(np.array([size]))[0]) + 1].sum(axis=1)
        return Sums(total=hits, squares=hits, of=self.labelled)


def bins(sizes: Floats) -> Places:
    """Return the bin of each absolute error."""
    inner = np.floor(np.log(np.maximum(sizes, _FIRST) / _FIRST) / _STEP).astype(np.int64) + 1
    return np.where(sizes < _FIRST, 0, np.minimum(inner, BINS - 1))


def quantile(counts: Floats, share: float) -> float:
    """Return a quantile of sizes from the counts of their bins, right to 1 %."""
    cumulated = np.cumsum(counts)
    place = int(np.searchsorted(cumulated, share * cumulated[-1], side="left"))
    return 0.0 if place == 0 else float(_FIRST * np.exp((place - 0.5) * _STEP))
