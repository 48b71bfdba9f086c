"""Counts a Ray Data set on its cluster: the same counting as here, and the same counts, bit for bit.

Called from a user's program:

    from atlas_ops.drift.ray import check, refit

    reference = refit(reference_of_a_sample, ray.data.read_parquet("s3://bucket/march/"))
    verdict = check(reference, ray.data.read_parquet("s3://bucket/today/"))

Workers count their batches; only counts travel. Workers need atlas-ops with the extra `ray`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from atlas_ops.drift import check as checking
from atlas_ops.drift import live
from atlas_ops.drift.counting import Counting, Table, merge
from atlas_ops.drift.fit import learned
from atlas_ops.drift.reading.kinds import Kind, kind
from atlas_ops.drift.reference import Reference
from atlas_ops.errors import DataError

if TYPE_CHECKING:
    from ray.data import Dataset

_NAME = "the data set"


def refit(sample: Reference, dataset: Dataset) -> Reference:
    """Return a reference with the bins of one that was made of a sample, and everything else from all rows of the data set.

    Both need the same column of times: rows of a cluster have no order but that.
    """
    if sample.time is None:
        raise DataError(
            "the reference of the sample has no column of times",
            next_step="make it with `atlas-ops drift fit --time COLUMN`",
        )
    counting = Counting(features=sample.features, embeddings=sample.embeddings, time=sample.time)
    return learned(sample.model, counting, counts(dataset, counting))


def check(reference: Reference, dataset: Dataset) -> checking.Verdict:
    """Return the verdict on the rows of a data set, as `atlas-ops drift check` does; DataError for the same mistakes.

    Kinds of columns are checked where Ray's schema tells Arrow types.
    """
    kinds = _kinds(dataset)
    counting = live.counting_of(reference, _NAME, kinds)
    live.check_kinds(_NAME, kinds, counting)
    notes = tuple(live.new_columns(kinds, counting, reference))
    return checking.check(reference, live.of_counts(counting, counts(dataset, counting), notes))


def counts(dataset: Dataset, counting: Counting) -> Table:
    """Return the counts of all rows of a data set; DataError when it lacks a column."""
    kinds = _kinds(dataset)
    missing = [name for name in counting.columns if name not in kinds]
    if missing:
        raise DataError(f"{_NAME} has no column {', '.join(missing)}", next_step="give the columns of the reference")
    whole = replace(counting, block=0)  # rows of a cluster are not in order
    parts = dataset.select_columns(list(counting.columns)).map_batches(
        part, fn_kwargs={"counting": whole}, batch_format="pyarrow"
    )
    return merge(_tables(parts, whole))


def _kinds(dataset: Dataset) -> dict[str, Kind]:
    """Return what the columns are, by their names; EMPTY, which fits anything, where the schema does not say."""
    schema = dataset.schema()
    if schema is None:  # no rows
        return {}
    if isinstance(schema.base_schema, pa.Schema):
        return {field.name: kind(field.type) for field in schema.base_schema}
    return dict.fromkeys(schema.names, Kind.EMPTY)  # pandas, whose text is `object`


def part(rows: pa.Table, counting: Counting) -> pa.Table:
    """Return the counts of a batch as a table of one row, as they travel between machines."""
    found = merge([_empty(counting), *map(counting.count, rows.combine_chunks().to_batches())])
    return pa.table({"first": [found.first], "untimed": [found.untimed], "counts": [found.counts.tobytes()]})


def _tables(parts: Any, counting: Counting) -> Iterator[Table]:
    empty = _empty(counting)
    yield empty
    for row in parts.iter_rows():
        flat = np.frombuffer(row["counts"], dtype=np.int64)
        yield Table(first=row["first"], counts=flat.reshape(-1, empty.counts.shape[1]), untimed=row["untimed"])


def _empty(counting: Counting) -> Table:
    return Table(first=0, counts=np.zeros((0, sum(len(feature.bins) for feature in counting.features)), dtype=np.int64))
