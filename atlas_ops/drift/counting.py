"""The second pass: rows counted into the bins of a reference. One function for each batch, and results that add up.

Called by `drift.fit` and `drift.live` here, and by `drift.ray` on a cluster: counts of parts, in any cut and order, add up to the
counts of the whole, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atlas_ops.detect.embedding import Embedding
from atlas_ops.detect.features import Counts, Feature, Numeric
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.drift.reading import values
from atlas_ops.errors import DataError

MOST_SLOTS = 120_000
"""Windows of five minutes in 59 weeks: data that spans more is of a wrong unit of time, or has to be cut."""
Matrix = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Counting:
    """What is counted and how rows are told apart: by five minutes of their column `time`, or by every `block` rows."""

    features: tuple[Feature, ...]
    embeddings: tuple[Embedding, ...] = ()
    time: str | None = None
    block: int = 0
    """0: all rows are one slot."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        made = {feature.name for embedding in self.embeddings for feature in embedding.features}
        plain = [feature.name for feature in self.features if feature.name not in made]
        wanted = [*plain, *(embedding.name for embedding in self.embeddings), *([self.time] if self.time else [])]
        return tuple(dict.fromkeys(wanted))

    def count(self, batch: pa.RecordBatch, *, first_row: int = 0) -> Table:
        """Count a batch whose first row is the number `first_row` of all."""
        slots = self._slots(batch, first_row)
        timed = slots >= 0
        used = slots[timed]
        if not used.size:
            return Table(first=0, counts=np.zeros((0, self._width), dtype=np.int64), untimed=len(slots))
        first, last = int(used.min()), int(used.max())
        _check_span(first, last)
        counts = np.zeros((last - first + 1, self._width), dtype=np.int64)
        at, whole = 0, first == last and len(used) == len(slots)
        for feature, column in zip(self.features, self.feature_columns(batch), strict=True):
            bins = len(feature.bins)
            if whole and isinstance(feature, Numeric):
                counts[0, at : at + bins] = feature.count(values.numbers(column))
            else:
                flat = (used - first) * bins + places(feature, column)[timed]
                counts[:, at : at + bins] = np.bincount(flat, minlength=counts.shape[0] * bins).reshape(-1, bins)
            at += bins
        return Table(first=first, counts=counts, untimed=int((~timed).sum()))

    def windows(self, table: Table) -> Windows:
        """Return the counts of five-minute windows as `detect` takes them; without a time column, of slots as if they were."""
        times = (table.first + 1 + np.arange(len(table.counts))) * STEP
        return Windows(times=times, counts=self._by_feature(table.counts))

    def totals(self, table: Table) -> Mapping[str, Counts]:
        """Return the counts of each feature over all slots."""
        return self._by_feature(table.counts.sum(axis=0, dtype=np.int64))

    def _by_feature(self, counts: Matrix) -> dict[str, Matrix]:
        ends = np.cumsum([len(feature.bins) for feature in self.features])[:-1]
        return dict(zip((f.name for f in self.features), np.split(counts, ends, axis=-1), strict=True))

    @cached_property
    def _width(self) -> int:
        return sum(len(feature.bins) for feature in self.features)

    def _slots(self, batch: pa.RecordBatch, first_row: int) -> NDArray[np.int64]:
        if self.time:
            moments = values.seconds(batch.column(self.time))
            return np.where(np.isnan(moments), -1, np.nan_to_num(moments) // STEP).astype(np.int64)
        numbers = np.arange(first_row, first_row + batch.num_rows, dtype=np.int64)
        return numbers // self.block if self.block else numbers * 0

    def feature_columns(self, batch: pa.RecordBatch) -> Iterable[pa.Array]:
        """Yield the column of each feature, those of embeddings computed."""
        derived = {
            name: column
            for one in self.embeddings
            for name, column in one.values(values.vectors(batch.column(one.name), one.centroids.shape[1])).items()
        }
        for feature in self.features:
            yield pa.array(derived[feature.name]) if feature.name in derived else batch.column(feature.name)


def places(feature: Feature, column: pa.Array) -> NDArray[np.int64]:
    """Return the place of the bin of each row."""
    if isinstance(feature, Numeric):
        return feature.places(values.numbers(column))
    words, rows = values.words(column)
    return feature.places(words)[rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Counts by slot and bin: `counts[s]` are those of the slot `first + s`, the bins of all features in a row."""

    first: int
    counts: Matrix
    untimed: int = 0
    """Rows that were left out, because they had no time."""


def merge(tables: Iterable[Table]) -> Table:
    """Return the counts of all tables together; they may be as many as there are batches, one at a time is held."""
    first, untimed, counts = 0, 0, None
    for table in tables:
        untimed += table.untimed
        if counts is None or not len(counts):
            first, counts = table.first, table.counts.copy()
        elif len(table.counts):
            first, counts = _room(first, counts, table)
            at = table.first - first
            counts[at : at + len(table.counts)] += table.counts
    if counts is None:
        raise ValueError("nothing to merge")
    end = int(np.flatnonzero(counts.any(axis=1)).max(initial=-1)) + 1
    return Table(first=first, counts=counts[:end], untimed=untimed)


def _room(first: int, counts: Matrix, table: Table) -> tuple[int, Matrix]:
    """Return the same counts with room for those of the table, and their first slot."""
    begin, end = min(first, table.first), max(first + len(counts), table.first + len(table.counts))
    if begin == first and end == first + len(counts):
        return first, counts
    _check_span(begin, end - 1)
    # Ahead of time, or rows in order of their times would copy all counts with every batch.
    end = max(end, first + len(counts) + len(counts) // 2) if end > first + len(counts) else end
    roomy = np.zeros((end - begin, counts.shape[1]), dtype=np.int64)
    roomy[first - begin : first - begin + len(counts)] = counts
    return begin, roomy


def _check_span(first: int, last: int) -> None:
    if last - first >= MOST_SLOTS:
        days = (last - first) * STEP / 86_400
        raise DataError(
            f"the times span {days:,.0f} days, more than the {MOST_SLOTS * STEP / 86_400:.0f} that are looked at",
            next_step="look for odd values in the time column (0, a wrong unit), or give fewer rows",
        )
