"""Days of calm before a run, drawn from the calm that was played: for rules that compare with other days.

A block bootstrap: pieces of five minutes of the played calm are put in a row at random, counters by their growth. So a day
takes a second instead of half a minute, and every series still agrees with every other one. Load is the same day and night.
Called by `play`.
"""

from __future__ import annotations

import numpy as np

from atlas_ops.rehearsal.samples import Series, Table, Times, Values

BLOCK_SECONDS = 300.0
WARM_UP_SECONDS = 600.0
"""The beginning of a played calm, when servers and GPUs are still filling up; it is not drawn from."""
_COUNTED = ("_total", "_bucket", "_count", "_sum")


def with_history(table: Table, *, calm: int, days: float, seed: int) -> Table:
    """Return a table with days of calm before it, made of its first `calm` scrapes; its counters go on from there.

    ValueError when the calm is not longer than the warm-up and a block.
    """
    step = int(table.times[1] - table.times[0])
    block, skipped = round(1000 * BLOCK_SECONDS / step), round(1000 * WARM_UP_SECONDS / step)
    if calm <= skipped + block:
        raise ValueError(
            f"{calm} scrapes of calm are too few to draw days from: more than {skipped + block} are needed"
        )
    count = round(days * 86_400_000 / step)
    picked = _picked(count, first=skipped + 1, last=calm - block, block=block, seed=seed)
    times: Times = table.times[0] - step * np.arange(count, 0, -1, dtype=np.int64)
    values = {series: _extended(series, column, picked, calm) for series, column in table.values.items()}
    return Table(np.concatenate([times, table.times]), values)


def _picked(count: int, *, first: int, last: int, block: int, seed: int) -> Times:
    """Return for each scrape of the past the played one that it repeats."""
    chance = np.random.default_rng(seed)
    starts = chance.integers(first, last, size=-(-count // block), endpoint=True)
    whole = (starts[:, None] + np.arange(block)).reshape(-1)
    picked: Times = whole[:count].astype(np.int64)
    return picked


def _extended(series: Series, column: Values, picked: Times, calm: int) -> Values:
    if not series.name.endswith(_COUNTED):
        return np.concatenate([column[picked], column])
    if np.isnan(column[:calm]).all():
        return np.concatenate([np.full(len(picked), np.nan), column])  # there is no such counter before the fault
    growth = np.diff(column, prepend=column[0])
    # Where it is missing, or begins anew, nothing is counted.
    past = np.cumsum(np.maximum(np.nan_to_num(growth[picked]), 0.0))
    return np.concatenate([past, column + past[-1]])
