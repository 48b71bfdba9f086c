from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from atlas_ops.drift import check, fit, live
from atlas_ops.drift import ray as on_ray
from atlas_ops.drift.counting import Counting
from atlas_ops.errors import DataError
from tests.drift import data


class Batches:
    """A data set that is here, cut in batches as Ray cuts it: for machines without Ray."""

    def __init__(self, table: pa.Table, rows: int = 700) -> None:
        self._table, self._rows = table, rows

    def schema(self) -> SimpleNamespace:
        return SimpleNamespace(base_schema=self._table.schema, names=self._table.column_names)

    def select_columns(self, columns: list[str]) -> Batches:
        return Batches(self._table.select(columns), self._rows)

    def map_batches(self, function: Any, *, fn_kwargs: dict[str, Any], batch_format: str) -> Batches:
        assert batch_format == "pyarrow"
        starts = range(0, self._table.num_rows, self._rows)
        made = [function(self._table.slice(start, self._rows), **fn_kwargs) for start in reversed(starts)]
        return Batches(pa.concat_tables(made))

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        yield from self._table.to_pylist()


def agree(dataset: Any, table: pa.Table, reference: Any, path: Path) -> None:
    """Assert that a cluster counts and judges as this machine does."""
    counting = Counting(features=reference.features, time="at")
    here = counting.count(table.combine_chunks().to_batches()[0])
    there = on_ray.counts(dataset, counting)
    assert (here.first, here.counts.tolist()) == (there.first, there.counts.tolist())
    local = check.check(reference, live.read(reference, [path], time=None, told=lambda rows: None))
    assert on_ray.check(reference, dataset).features[0].distances == local.features[0].distances


@pytest.fixture
def made(tmp_path: Path) -> tuple[pa.Table, Any, Path]:
    columns = data.timed(20_000, 20, seed=5)
    path = data.parquet(tmp_path / "a.parquet", columns)
    return pa.table(columns), fit.fit([path], fit.Wish(model="m"), lambda what, rows: None), path


def test_batches_that_travel_are_the_counts_of_the_whole(made: tuple[pa.Table, Any, Path]) -> None:
    table, reference, path = made
    agree(Batches(table), table, reference, path)
    refitted = on_ray.refit(reference, Batches(table))
    assert refitted.counts["length"].tolist() == reference.counts["length"].tolist()
    assert refitted.calibration is not None
    assert refitted.calibration.page == reference.calibration.page


def test_what_cannot_be_live_rows_is_refused_as_it_is_of_files(made: tuple[pa.Table, Any, Path]) -> None:
    table, reference, _ = made
    at = table.column_names.index("at")
    later = pc.add(table["at"], pa.scalar(4_000_000_000_000_000, pa.duration("us")))
    text = pa.array(["x"] * table.num_rows)
    unknown = pa.array([None if row % 2 else 1_704_067_200 for row in range(table.num_rows)])
    for columns, said in (
        (table.set_column(at, "at", later), "in the future"),
        (
            table.set_column(table.column_names.index("length"), "length", text),
            "column length: expected numbers, found text",
        ),
        (table.set_column(at, "at", unknown), "10,000 of 20,000 rows have no time"),
        (table.drop_columns(["at"]), "it has no column at"),
        (table.drop_columns(["tenant"]), "column tenant is missing"),
    ):
        with pytest.raises(DataError, match=said):
            on_ray.check(reference, Batches(columns))


def test_what_is_left_out_is_told(made: tuple[pa.Table, Any, Path]) -> None:
    table, reference, _ = made
    few = pa.array(
        [None if row % 100 == 0 else one for row, one in enumerate(table["at"].to_pylist())], table["at"].type
    )
    more = table.set_column(table.column_names.index("at"), "at", few).append_column(
        "colour", pa.array(["x"] * table.num_rows)
    )
    notes = on_ray.check(reference, Batches(more)).notes
    assert any("colour" in note for note in notes)
    assert any("rows without a time are left out: 200" in note for note in notes)


@pytest.mark.skipif(
    "ATLAS_OPS_RAY" not in os.environ,
    reason="Ray is no light thing to install: `make test-servers ARGS=ray` does, and asks for this",
)
def test_a_real_ray_counts_the_same_bit_for_bit(made: tuple[pa.Table, Any, Path]) -> None:
    import ray  # noqa: PLC0415 - an extra

    table, reference, path = made
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", object_store_memory=200 * 1024 * 1024)
    try:
        agree(ray.data.from_arrow(table).repartition(7), table, reference, path)
    finally:
        ray.shutdown()
