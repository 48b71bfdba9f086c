"""Reads predictions, or labels, once, and lays them down on disk in parts by their identifier. Called by `cli.drift_labels`.

What lies there is the identifier's hash (by Python's, whose key is another one in each process), a number, and a time: no identifier
and no text. A part of one side has all its partners in the same part of the other, so memory need hold one part at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from atlas_ops.drift.labels import cells
from atlas_ops.drift.labels.side import PARTS, ROW, Columns, Rows, Side, Source
from atlas_ops.drift.reading import values
from atlas_ops.errors import DataError


def read(
    source: Source, columns: Columns, folder: Path, told: Callable[[int], None], *, threshold: float | None = None
) -> Side:
    """Lay all rows down in `folder`. `threshold`: numbers from it on become 1, others 0."""
    side = Side(name=source.name, column=columns.value, folder=folder)
    folder.mkdir()
    with ExitStack() as stack:
        files = [stack.enter_context((folder / str(number)).open("wb")) for number in range(PARTS)]
        for batch in source.batches(columns.all):
            rows = _rows(side, batch, columns, threshold)
            _spread(rows, files)
            told(batch.num_rows)
    return side


def _rows(side: Side, batch: pa.RecordBatch, columns: Columns, threshold: float | None) -> Rows:
    """Return the rows of a batch that have an identifier, a value and a time."""
    keys, keyed = cells.keys(side, batch.column(columns.key), columns.key)
    found = cells.numbers(side, batch.column(columns.value))
    if threshold is not None:
        if side.words is not None:
            raise DataError(
                f"{side.name}: column {side.column} holds text, and --threshold is for numbers",
                next_step="leave it out",
            )
        found = np.where(np.isnan(found), found, (found >= threshold).astype(np.float64))
    if side.words is None:
        cells.remember(side.different, found)
    if columns.time:
        at = values.seconds(batch.column(columns.time))
    else:
        at = np.arange(side.rows, side.rows + batch.num_rows, dtype=np.float64)
    side.rows += batch.num_rows
    valued, timed = ~np.isnan(found), ~np.isnan(at)
    side.without_key += int((~keyed).sum())
    side.without_value += int((keyed & ~valued).sum())
    side.untimed += int((keyed & valued & ~timed).sum())
    whole = keyed & valued & timed
    if whole.any():
        side.span = (min(side.span[0], float(at[whole].min())), max(side.span[1], float(at[whole].max())))
    rows = np.empty(int(whole.sum()), dtype=ROW)
    rows["key"], rows["value"], rows["at"] = keys[whole], found[whole], at[whole]
    return rows


def _spread(rows: Rows, files: Sequence[IO[bytes]]) -> None:
    place = rows["key"].view(np.uint64) % np.uint64(PARTS)
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(1, PARTS, dtype=np.uint64))
    for file, part in zip(files, np.split(rows[order], ends), strict=True):
        file.write(part.tobytes())
