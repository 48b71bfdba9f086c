"""Reads live rows by a reference: the same columns, of the same kinds, with possible times.

Called by `cli.drift_check` and `cli.drift_fit`; `drift.ray` counts on a cluster, and asks here whether that can be live rows.
"""

from __future__ import annotations

import time as clock
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from atlas_ops.detect.features import Category, Feature
from atlas_ops.detect.season import HOUR
from atlas_ops.detect.windows import STEP
from atlas_ops.drift.counting import Counting, Table, merge
from atlas_ops.drift.fit import check_times, check_untimed, counted
from atlas_ops.drift.reading import values
from atlas_ops.drift.reading.files import File, find, kinds_of
from atlas_ops.drift.reading.kinds import Kind
from atlas_ops.drift.reference import Reference
from atlas_ops.errors import DataError

_SKEW = HOUR
"""Seconds that the clock of another machine may be ahead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Live:
    """Counts of the live rows. `table` is None when there are none."""

    counting: Counting
    table: Table | None
    notes: tuple[str, ...]


def read(reference: Reference, paths: Sequence[Path], *, time: str | None, told: Callable[[int], None]) -> Live:
    """Count the rows of files and folders; DataError where they are not of the reference's columns."""
    files, counting = opened(reference, paths, time)
    watch = _Order()
    lengths = _Lengths(counting)
    table = merge(watch.seen(counted(files, counting, told, lengths.seen))) if _has_rows(files, counting) else None
    notes = [
        *new_columns(kinds_of(files), counting, reference),
        *(watch.notes if counting.time else []),
        *lengths.notes,
    ]
    return of_counts(counting, table, notes)


def of_counts(counting: Counting, table: Table | None, notes: Sequence[str]) -> Live:
    """Return counted rows as live ones; DataError where their times are impossible, or too many have none."""
    if table is None:
        return Live(counting=counting, table=None, notes=tuple(notes))
    if len(table.counts) and counting.time:
        check_times(table.first * STEP, table.first * STEP, counting.time)
        _check_future(table, counting.time)
    if table.untimed and counting.time:
        check_untimed(table.untimed, table.untimed + _rows(counting, table), counting.time)
    untimed = [f"rows without a time are left out: {table.untimed:,}"] if table.untimed else []
    return Live(counting=counting, table=table if len(table.counts) else None, notes=(*notes, *untimed))


def opened(reference: Reference, paths: Sequence[Path], time: str | None = None) -> tuple[tuple[File, ...], Counting]:
    """Return the files, and how their rows are counted; DataError where they are not of the reference's columns."""
    files = find(paths)
    counting = counting_of(reference, str(files[0].path), kinds_of(files), time)
    for file in files:
        check_kinds(str(file.path), file.kinds, counting)
    return files, counting


def counting_of(reference: Reference, where: str, kinds: Mapping[str, Kind], time: str | None = None) -> Counting:
    """Return how rows of such columns are counted; DataError where the reference needs times and there are none."""
    by = _time_column(reference, where, kinds, time)
    return Counting(features=reference.features, embeddings=reference.embeddings, time=by)


class _Order:
    """Sees whether batches go back in time."""

    def __init__(self) -> None:
        self._latest = -1
        self.notes: list[str] = []

    def seen(self, tables: Iterator[Table]) -> Iterator[Table]:
        for table in tables:
            if len(table.counts):
                if table.first + 1 < self._latest and not self.notes:
                    self.notes.append(
                        "the times go backwards: the rows are not in their order; each was counted in its own time"
                    )
                self._latest = max(self._latest, table.first + len(table.counts) - 1)
            yield table


class _Lengths:
    """Sees vectors of another length than those of the reference, which count as missing."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._others: dict[str, Counter[int]] = {}

    def seen(self, rows: pa.RecordBatch) -> None:
        for one in self._counting.embeddings:
            found = values.lengths(rows.column(one.name))
            lengths, times = np.unique(found[(found > 0) & (found != one.centroids.shape[1])], return_counts=True)
            self._others.setdefault(one.name, Counter()).update(
                dict(zip(lengths.tolist(), times.tolist(), strict=True))
            )

    @property
    def notes(self) -> Iterator[str]:
        for one in self._counting.embeddings:
            for length, times in self._others.get(one.name, Counter()).most_common(1):
                yield (
                    f"{times:,} vectors of {one.name} have {length} numbers and not {one.centroids.shape[1]}: "
                    "they count as missing"
                )


def _rows(counting: Counting, table: Table) -> int:
    return int(counting.totals(table)[counting.features[0].name].sum())


def _has_rows(files: Sequence[File], counting: Counting) -> bool:
    return any(batch.num_rows for file in files for batch in file.batches(counting.columns[:1]))


def _time_column(reference: Reference, where: str, kinds: Mapping[str, Kind], asked: str | None) -> str | None:
    if asked and asked not in kinds:
        raise DataError(f"{where}: no column is called {asked}", next_step=f"it has {', '.join(kinds)}")
    name = asked or (reference.time if reference.time in kinds else None)
    if name is None and reference.limits is not None and reference.limits.timed:
        raise DataError(
            f"{where}: it has no column {reference.time or 'of times'}, and the reference knows what is usual by the hour of the week",
            next_step="name the column of times with --time COLUMN",
        )
    return name


def check_kinds(where: str, kinds: Mapping[str, Kind], counting: Counting) -> None:
    """Raise DataError with every column that is missing or of another kind."""
    plain = {feature.name: feature for feature in counting.features}
    mistakes = []
    for name in counting.columns:
        if name not in kinds:
            mistakes.append(f"column {name} is missing")
        elif problem := _other_kind(kinds[name], plain.get(name), name == counting.time):
            mistakes.append(f"column {name}: {problem}")
    if mistakes:
        raise DataError(
            f"{where}: it does not fit the reference: {'; '.join(mistakes)}",
            next_step="give data with the columns of the reference, or make a reference of such data",
        )


def _other_kind(found: Kind, feature: Feature | None, is_time: bool) -> str:
    """Return what is wrong with a column's kind; "" when it fits. Without a feature it is the times or an embedding."""
    if found is Kind.EMPTY:
        return ""
    if feature is None:
        fitting: tuple[Kind, ...] = (Kind.TIME, Kind.NUMBER, Kind.TEXT) if is_time else (Kind.VECTOR,)
        expected = "times" if is_time else Kind.VECTOR.value
    elif isinstance(feature, Category):
        fitting, expected = _kinds_of(feature), "categories such as " + ", ".join(map(repr, feature.names[:3]))
    else:
        fitting, expected = (Kind.NUMBER,), Kind.NUMBER.value
    return "" if found in fitting else f"expected {expected}, found {found.value}"


def _kinds_of(feature: Category) -> tuple[Kind, ...]:
    kinds = [Kind.TEXT]
    if set(feature.names) <= {"True", "False"}:
        kinds.append(Kind.YES_NO)
    with suppress(ValueError):
        any(float(name) for name in feature.names)
        kinds.append(Kind.NUMBER)
    return tuple(kinds)


def new_columns(kinds: Mapping[str, Kind], counting: Counting, reference: Reference) -> Iterator[str]:
    """Yield a note about columns that the reference does not know."""
    told = {name for note in reference.notes for name in kinds if note.startswith(f"column {name} is not watched")}
    new = [name for name in kinds if name not in counting.columns and name not in told]
    if new:
        yield f"not in the reference, and not looked at: {', '.join(new)}"


def _check_future(table: Table, column: str) -> None:
    ahead = (table.first + len(table.counts) - 1) * STEP - clock.time()
    if ahead > _SKEW:
        raise DataError(
            f"column {column}: its latest time lies {ahead / HOUR:,.1f} hours in the future",
            next_step="look for a wrong unit of time or time zone",
        )
