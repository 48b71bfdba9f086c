"""The first pass over data: how many rows, from when to when, the range of each number, and a random sample of rows.

Called by `drift.fit`. The survey of a part does not depend on other parts, and surveys merge in any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.reading import values
from atlas_ops.drift.reading.files import File
from atlas_ops.drift.reading.kinds import Kind

SAMPLE = 20_000
"""Rows that edges and categories are found on: a decile of so many is right to 0.3 % of the rows. Shares are counted over all."""

Range = tuple[float, float]
Told = Callable[[int], None]
"""Is called with the number of rows that were just read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What is known of a part of the data, or of all of it."""

    rows: int
    sample: pa.Table
    keys: Floats
    """One random number for each row of the sample: the rows with the least keys of all are the sample of all."""
    ranges: Mapping[str, Range]
    """{column of numbers: least and greatest finite value}; without an entry there is none."""
    times: Range | None
    untimed: int
    """Rows without a time."""


def survey(file: File, place: int, columns: Sequence[str], time: str | None, told: Told) -> Survey:
    """Read the part number `place` once."""
    chance = np.random.RandomState(place)  # its stream is frozen for ever
    measured = [name for name in columns if file.kinds[name] is Kind.NUMBER]
    found: Survey | None = None
    for batch in file.batches([*columns, *([time] if time and time not in columns else [])]):
        if not batch.num_rows:
            continue
        # A row whose key is greater than those of a full sample cannot come into it.
        below = float(found.keys.max()) if found is not None and len(found.keys) == SAMPLE else 1.0
        one = _of_batch(batch, chance.random_sample(batch.num_rows), below, measured, time)
        found = one if found is None else merge(found, one)
        told(batch.num_rows)
    return found or Survey(rows=0, sample=pa.table({}), keys=np.zeros(0), ranges={}, times=None, untimed=0)


def merge(one: Survey, other: Survey) -> Survey:
    """Return the survey of two parts together."""
    if not (one.rows and other.rows):
        return one if one.rows else other
    keys = np.concatenate([one.keys, other.keys])
    kept = np.sort(np.argsort(keys, kind="stable")[:SAMPLE])
    names = one.ranges.keys() | other.ranges.keys()
    both = [times for times in (one.times, other.times) if times]
    return Survey(
        rows=one.rows + other.rows,
        sample=pa.concat_tables([one.sample, other.sample], promote_options="permissive").take(pa.array(kept)),
        keys=keys[kept],
        ranges={name: _wider(*(of.ranges[name] for of in (one, other) if name in of.ranges)) for name in names},
        times=_wider(*both) if both else None,
        untimed=one.untimed + other.untimed,
    )


def _of_batch(batch: pa.RecordBatch, keys: Floats, below: float, measured: Sequence[str], time: str | None) -> Survey:
    able = np.flatnonzero(keys < below)
    kept = np.sort(able[np.argsort(keys[able], kind="stable")[:SAMPLE]])
    moments = values.seconds(batch.column(time)) if time else np.zeros(0)
    ranges = {name: _range(values.numbers(batch.column(name))) for name in measured}
    return Survey(
        rows=batch.num_rows,
        sample=pa.Table.from_batches([batch]).take(pa.array(kept)),
        keys=keys[kept],
        ranges={name: found for name, found in ranges.items() if found},
        times=_range(moments),
        untimed=int(np.isnan(moments).sum()),
    )


def _range(numbers: Floats) -> Range | None:
    finite = numbers[np.isfinite(numbers)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _wider(*ranges: Range) -> Range:
    return min((low for low, _ in ranges), default=math.inf), max((high for _, high in ranges), default=-math.inf)
