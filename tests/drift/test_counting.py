from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.detect.embedding import embedding
from atlas_ops.detect.features import category, numeric
from atlas_ops.drift.counting import Counting, Table, merge
from atlas_ops.errors import DataError
from tests.drift import data

ROWS = 6_000


@cache
def table_and_counting(*, time: bool, seed: int = 3) -> tuple[pa.Table, Counting]:
    columns: dict[str, Any] = data.timed(ROWS, 2, seed=seed)
    vectors = np.random.default_rng(seed).normal(size=(ROWS, 4))
    columns["vector"] = list(vectors)
    made = embedding("vector", vectors)
    assert made is not None
    features = (
        numeric("length", columns["length"]),
        category("tenant", columns["tenant"]),
        category("ok", columns["ok"]),
    )
    known = tuple(feature for feature in features if feature is not None)
    counting = Counting(features=(*known, *made.features), embeddings=(made,), time="at" if time else None)
    return pa.table(columns), counting


def counted(table: pa.Table, counting: Counting, cuts: list[int]) -> Table:
    ends = [0, *sorted(cuts), table.num_rows]
    pieces = [table.slice(low, high - low).combine_chunks() for low, high in itertools.pairwise(ends) if high > low]
    return merge(counting.count(piece.to_batches()[0]) for piece in pieces)


@pytest.mark.parametrize("time", [True, False])
def test_counts_of_a_thousand_pods_are_the_counts_of_all_rows(time: bool) -> None:
    table, counting = table_and_counting(time=time)
    pods = np.random.default_rng(1).integers(0, 1_000, ROWS)
    parts = [table.filter(pa.array(pods == pod)).combine_chunks().to_batches() for pod in np.unique(pods)]
    merged = merge(counting.count(batch) for batches in parts for batch in batches)
    whole = counting.count(table.combine_chunks().to_batches()[0])
    assert merged.first == whole.first
    assert (merged.counts == whole.counts).all()
    assert whole.counts.sum() == ROWS * len(counting.features)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, ROWS), max_size=6), order=st.permutations(range(4)))
def test_counts_do_not_depend_on_how_the_rows_are_cut_or_in_which_order_parts_merge(
    cuts: list[int], order: list[int]
) -> None:
    table, counting = table_and_counting(time=True)
    whole = counted(table, counting, [])
    assert (counted(table, counting, cuts).counts == whole.counts).all()
    parts = [
        counting.count(table.slice(place * ROWS // 4, ROWS // 4).combine_chunks().to_batches()[0]) for place in order
    ]
    assert (merge(parts).counts == whole.counts).all()
    assert (merge([merge(parts[:2]), merge(parts[2:])]).counts == whole.counts).all()


def test_a_row_is_counted_in_the_five_minutes_of_its_time_and_one_without_time_is_left_out() -> None:
    length = numeric("length", [0.0, 1.0, 2.0])
    assert length is not None
    counting = Counting(features=(length,), time="at")
    at = [data.MONDAY, data.MONDAY + 299, data.MONDAY + 300, None]
    found = counting.count(pa.record_batch({"length": [0.0, 1.0, 2.0, 2.0], "at": pa.array(at, pa.float64())}))
    assert found.counts.sum(axis=1).tolist() == [2, 1]
    assert found.untimed == 1
    assert counting.windows(found).times.tolist() == [data.MONDAY + 300, data.MONDAY + 600]


def test_missing_infinite_and_unseen_values_have_their_own_bins() -> None:
    length, tenant = numeric("length", [0.0, 1.0, 2.0]), category("tenant", ["a", "a", "b"])
    assert length is not None
    assert tenant is not None
    counting = Counting(features=(length, tenant))
    numbers = pa.array([None, float("nan"), float("inf"), -float("inf"), 1.0])
    totals = counting.totals(
        counting.count(pa.record_batch({"length": numbers, "tenant": [None, "", "new", "a", "b"]}))
    )
    assert dict(zip(length.bins[-3:], totals["length"][-3:].tolist(), strict=True)) == {
        "below": 1,
        "above": 1,
        "missing": 2,
    }
    assert dict(zip(tenant.bins, totals["tenant"].tolist(), strict=True)) == {
        "a": 1,
        "b": 1,
        "other": 0,
        "unseen": 1,
        "missing": 2,
    }


def test_new_categories_by_the_million_cost_no_more_than_one_bin() -> None:
    tenant = category("tenant", ["a", "b"])
    assert tenant is not None
    counting = Counting(features=(tenant,))
    batches = (pa.record_batch({"tenant": [f"new {part} {place}" for place in range(50_000)]}) for part in range(4))
    found = merge(map(counting.count, batches))
    assert found.counts.shape == (1, len(tenant.bins))
    assert counting.totals(found)["tenant"].tolist() == [0, 0, 0, 200_000, 0]


def test_one_odd_time_does_not_make_a_table_of_millions_of_windows() -> None:
    table, counting = table_and_counting(time=True)
    odd = pa.record_batch(
        {**{name: table.column(name).slice(0, 1).combine_chunks() for name in counting.columns[:-1]}, "at": [0.0]}
    )
    with pytest.raises(DataError, match="the times span 19,7"):
        merge([counting.count(table.combine_chunks().to_batches()[0]), counting.count(odd)])
