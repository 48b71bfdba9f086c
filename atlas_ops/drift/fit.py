"""Makes a reference of data files: a survey, then counts, then what the history teaches. Called by `atlas-ops drift fit`."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from atlas_ops.detect import batch
from atlas_ops.detect.calibration import LEAST_DAYS, Calibration, calibrate
from atlas_ops.detect.cold import in_weekends
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.season import DAY
from atlas_ops.detect.statistics import statistics
from atlas_ops.detect.windows import STEP, observe
from atlas_ops.drift import columns as choosing
from atlas_ops.drift.counting import Counting, Table, merge
from atlas_ops.drift.reading.files import File, find, kinds_of
from atlas_ops.drift.reading.kinds import Kind
from atlas_ops.drift.reference import Reference
from atlas_ops.drift.survey import Survey, survey
from atlas_ops.drift.survey import merge as merged
from atlas_ops.drift.words import moment, percent
from atlas_ops.errors import DataError

LEAST_ROWS = 500
"""Rows without which there is no reference: sixteen parts of thirty rows, the least by which a batch can be judged."""
MOST_UNTIMED = 0.1
"""Share of the rows that may lack a time; they are left out."""
Progress = Callable[[str, int], None]
"""Is called with what is being done and the number of rows it was just done to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What the user asked for. `columns`: these alone; `time` and `embedding`: what they are, whatever their type."""

    model: str
    time: str | None = None
    columns: tuple[str, ...] = ()
    embedding: str | None = None


def fit(paths: Sequence[Path], wish: Wish, told: Progress) -> Reference:
    """Return the reference of files and folders; DataError says what they lack."""
    files = find(paths)
    kinds = kinds_of(files)
    time = wish.time or _only_time(kinds)
    wanted = _wanted(files[0].path, kinds, wish, time)
    parts = [survey(file, place, wanted, time, lambda rows: told("looking", rows)) for place, file in enumerate(files)]
    found = parts[0]
    for part in parts[1:]:
        found = merged(found, part)
    _check(found, time)
    chosen = choosing.choose(kinds, found, wanted)
    if not chosen.features:
        raise DataError(
            f"no column can be watched: {'; '.join(chosen.notes)}", next_step="give data with features in it"
        )
    counting = Counting(
        features=chosen.features,
        embeddings=chosen.embeddings,
        time=time,
        block=0 if time else -(-found.rows // batch.BLOCKS),
    )
    table = merge(counted(files, counting, lambda rows: told("counting", rows)))
    notes = (*chosen.notes, *_time_notes(found, wish.time, time))
    return learned(wish.model, counting, table, notes=notes)


def counted(
    files: Sequence[File],
    counting: Counting,
    told: Callable[[int], None],
    seen: Callable[[pa.RecordBatch], None] | None = None,
) -> Iterator[Table]:
    """Yield the counts of each batch of rows; `seen` is called with each batch before."""
    first = 0
    for file in files:
        for rows in file.batches(counting.columns):
            if seen is not None:
                seen(rows)
            yield counting.count(rows, first_row=first)
            first += rows.num_rows
            told(rows.num_rows)


def learned(
    model: str, counting: Counting, table: Table, *, notes: Sequence[str] = (), seen: NDArray[np.bool_] | None = None
) -> Reference:
    """Return the reference of counts; with times (`counting.time`) their slots are windows of five minutes.

    `seen` are the slots that anybody looked at; None: all.
    """
    windows, totals = replace(counting.windows(table), seen=seen), counting.totals(table)
    watched = [one for f in counting.features for one in statistics(f, smoothed(totals[f.name]))]
    observed = observe(windows, watched)
    days = len(table.counts) * STEP / DAY if counting.time else 0.0
    calibration = calibrate(observed, watched) if days >= 1 else None
    pages = calibration is not None and calibration.pages
    limits = (
        batch.by_hour_of_week(observed, watched)
        if calibration is not None and pages
        else batch.by_blocks(windows, watched)
    )
    start = table.first * STEP if counting.time else None
    return Reference(
        model=model,
        made_at=round(clock.time(), 3),
        start=start,
        end=start + len(table.counts) * STEP if start is not None else None,
        rows=int(totals[counting.features[0].name].sum()),
        time=counting.time,
        features=counting.features,
        counts=totals,
        weekends=in_weekends(windows) if counting.time else None,
        embeddings=counting.embeddings,
        calibration=calibration,
        limits=limits,
        notes=(*notes, *_history_notes(calibration, start)),
    )


def _only_time(kinds: Mapping[str, Kind]) -> str | None:
    """Return the column of times if there is just one."""
    times = [name for name, kind in kinds.items() if kind is Kind.TIME]
    return times[0] if len(times) == 1 else None


def _wanted(path: Path, kinds: Mapping[str, Kind], wish: Wish, time: str | None) -> tuple[str, ...]:
    asked = [*wish.columns, *filter(None, (wish.time, wish.embedding))]
    unknown = [name for name in asked if name not in kinds]
    if unknown:
        raise DataError(f"{path}: no column is called {', '.join(unknown)}", next_step=f"it has {', '.join(kinds)}")
    if wish.embedding and kinds[wish.embedding] is not Kind.VECTOR:
        raise DataError(
            f"{path}: the column {wish.embedding} holds {kinds[wish.embedding].value}, not lists of numbers",
            next_step="an embedding is a list of numbers of one length",
        )
    chosen = wish.columns or tuple(kinds)
    return tuple(dict.fromkeys(name for name in (*chosen, *filter(None, [wish.embedding])) if name != time))


def _check(found: Survey, time: str | None) -> None:
    if found.rows < LEAST_ROWS:
        raise DataError(
            f"the data has {found.rows:,} rows; a reference needs {LEAST_ROWS} at the least", next_step="give more rows"
        )
    if time is None:
        return
    check_untimed(found.untimed, found.rows, time)
    if found.times is not None:
        check_times(*found.times, time)


def check_untimed(untimed: int, rows: int, column: str) -> None:
    """Raise DataError when too many rows have no time: what is left is no fair sample of all."""
    if untimed > rows * MOST_UNTIMED:
        raise DataError(
            f"column {column}: {untimed:,} of {rows:,} rows have no time in it, more than {percent(MOST_UNTIMED)}",
            next_step="name another column with --time, or write times as ISO 8601 or Unix seconds",
        )


def check_times(first: float, last: float, column: str) -> None:
    """Raise DataError when times cannot be those of requests: before 1980, or in the future."""
    if first < 10 * 365 * DAY:
        raise DataError(
            f"column {column}: its earliest time is {moment(first)}",
            next_step="look for zeros and for a wrong unit of time",
        )
    if last > clock.time() + DAY:
        raise DataError(
            f"column {column}: its latest time is {moment(last)}, in the future",
            next_step="look for a wrong unit of time or time zone",
        )


def _time_notes(found: Survey, asked: str | None, time: str | None) -> Iterator[str]:
    if time is None:
        yield (
            "the data has no times: live rows are judged by how parts of the reference differ from its other parts, in the order of "
            "their rows; what an hour of the day or a day of the week changes is not known, unless the rows are in order of their times"
        )
    elif not asked:
        yield f"rows are told by the column {time}, the only one that holds times"
    if found.untimed:
        yield f"rows without a time are left out: {found.untimed:,} of {found.rows:,}"


def _history_notes(calibration: Calibration | None, start: float | None) -> Iterator[str]:
    if start is None or (calibration is not None and calibration.pages):
        return
    days = calibration.days if calibration is not None else 0
    until = moment(start + LEAST_DAYS * DAY)
    yield (
        f"the history is too short for pages ({days:.0f} of {LEAST_DAYS:.0f} days): make the reference again when there are rows "
        f"up to {until}; until then `drift check` does not know the hours of the week"
    )
