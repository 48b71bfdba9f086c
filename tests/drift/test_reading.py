from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from atlas_ops.drift.reading import values
from atlas_ops.drift.reading.files import ROWS, find, open_file
from atlas_ops.drift.reading.kinds import Kind
from atlas_ops.errors import DataError
from tests.drift import data


def lengths(path: Path) -> list[float]:
    return [
        value for batch in open_file(path).batches(["length"]) for value in values.numbers(batch.column(0)).tolist()
    ]


def test_the_same_rows_come_out_of_parquet_csv_and_json_lines(tmp_path: Path) -> None:
    columns = data.rows(1_000, seed=1)
    paths = data.parquet(tmp_path / "a.parquet", columns), data.csv(tmp_path / "a.csv", columns)
    read = [lengths(path) for path in (*paths, data.json_lines(tmp_path / "a.jsonl", columns))]
    assert read[0] == read[1] == read[2] == columns["length"].tolist()


def test_a_large_file_comes_in_batches_of_a_bounded_size(tmp_path: Path) -> None:
    path = data.parquet(tmp_path / "a.parquet", {"length": np.arange(3 * ROWS, dtype=np.float64)})
    sizes = [batch.num_rows for batch in open_file(path).batches(["length"])]
    assert sum(sizes) == 3 * ROWS
    assert max(sizes) <= ROWS


def test_a_decimal_after_a_million_whole_numbers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("length\n" + "12345678\n" * 1_200_000 + "0.5\n")
    assert lengths(path)[-1] == 0.5


def test_a_folder_stands_for_its_data_files_by_name_without_hidden_ones(tmp_path: Path) -> None:
    columns = data.rows(10, seed=1)
    (tmp_path / "_log").mkdir()
    for name in ("b.parquet", "a.parquet", ".c.parquet", "_log/d.parquet"):
        data.parquet(tmp_path / name, columns)
    (tmp_path / "README").write_text("not data")
    assert [file.path.name for file in find([tmp_path])] == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "a,b\n1,2\n3,4,5\n", "Row #3: Expected 2 columns, got 3"),
        ("a.csv", "", "the file is empty"),
        ("a.jsonl", '{"a": 1}\n{"a":\n', "JSON parse error"),
        ("a.jsonl", '{"a": 1}\n{"a": "x"}\n', "changed from number to string"),
        ("a.parquet", "PAR1 but nothing more", "magic bytes not found"),
        ("a.xlsx", "PK", "its ending is none that is known"),
        ("a.csv", "a,a\n1,2\n", "multiple columns named a"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_and_reason(tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match="a\\.") as caught:
        open_file(tmp_path / name)
    assert told in caught.value.message
    assert caught.value.next_step


def test_a_parquet_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = data.parquet(tmp_path / "a.parquet", data.rows(20_000, seed=1))
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read as parquet"):
        open_file(whole)


def test_a_ragged_line_far_behind_the_first_block_is_named_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("length,b\n" + "1,xxxxxx\n" * 1_000_000 + "1,x,y\n")
    with pytest.raises(DataError, match="Row #1000002: Expected 2 columns, got 3"):
        lengths(path)


def test_files_with_other_columns_are_refused_with_every_difference(tmp_path: Path) -> None:
    data.parquet(tmp_path / "a.parquet", {"a": [1.0], "b": ["x"]})
    data.parquet(tmp_path / "b.parquet", {"a": ["1"], "c": [1]})
    with pytest.raises(DataError) as caught:
        find([tmp_path])
    assert (
        "a: numbers there, text here; b: text there, missing here; c: not there, numbers here" in caught.value.message
    )


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000, 1_000_000_000])
def test_unix_times_are_understood_in_any_unit(scale: int) -> None:
    assert values.seconds(pa.array([int(data.MONDAY) * scale])).tolist() == [data.MONDAY]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2024-01-01T00:00:00Z", None]),
        pa.array(["2024-01-01 00:00:00", "2024-01-01"]),
        pa.array(["2024-01-01T01:00:00+01:00"]),
        pa.array([data.MONDAY * 1e3]).cast(pa.int64()).cast(pa.timestamp("ms")),
        pa.array([19_723], pa.int32()).cast(pa.date32()),
    ],
)
def test_times_are_utc_seconds_and_nan_where_missing(column: pa.Array) -> None:
    found = values.seconds(column)
    assert np.all((found == data.MONDAY) == np.asarray(column.is_valid()))


def test_vectors_of_another_length_count_as_missing() -> None:
    found = values.vectors(pa.array([[1.0, 2.0], None, [3.0], [4.0, 5.0]]), 2)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True, False]
    assert found[3].tolist() == [4.0, 5.0]


def test_a_column_of_nulls_is_empty_and_not_text(tmp_path: Path) -> None:
    path = data.parquet(tmp_path / "a.parquet", {"a": pa.nulls(3), "b": [1, 2, 3]})
    assert open_file(path).kinds == {"a": Kind.EMPTY, "b": Kind.NUMBER}


def test_text_that_is_no_time_costs_its_own_row_alone_and_zones_may_be_mixed() -> None:
    texts = ["2024-01-01T00:00:00", "n/a", None, "2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "", "2024-01-01"]
    found = values.seconds(pa.array(texts * 20_000))
    assert np.flatnonzero(np.isnan(found[:7])).tolist() == [1, 2, 5]
    assert int((found == data.MONDAY).sum()) == 4 * 20_000


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "x,n\n,1\n,2\n"), ("a.jsonl", '{"x": null, "n": 1}\n{"x": null, "n": 2}\n')],
)
def test_a_column_without_values_is_empty_in_csv_and_json_too(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    file = open_file(tmp_path / name)
    assert file.kinds == {"x": Kind.EMPTY, "n": Kind.NUMBER}
    batch = next(file.batches(["x"]))
    assert np.isnan(values.numbers(batch.column(0))).all()
    assert values.words(batch.column(0))[1].tolist() == [0, 0]
    assert np.isnan(values.vectors(batch.column(0), 3)).all()


@pytest.mark.parametrize(("value", "kind"), [("0.5", Kind.NUMBER), ("x", Kind.TEXT)])
def test_a_column_whose_first_value_comes_late_is_of_the_kind_of_that_value(
    tmp_path: Path, value: str, kind: Kind
) -> None:
    path = tmp_path / "late.csv"
    path.write_text("length,b\n" + ",xxxxxxxxxxxxxxxxxx\n" * 500_000 + f"{value},y\n")
    assert open_file(path).kinds["length"] is kind


def test_files_agree_with_every_other_and_not_with_the_first_alone(tmp_path: Path) -> None:
    for name, column in (("a", pa.nulls(1)), ("b", ["x"]), ("c", [1.0])):
        data.parquet(tmp_path / f"{name}.parquet", {"x": column})
    with pytest.raises(DataError, match="x: text there, numbers here"):
        find([tmp_path])


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "name\ncafé\n"), ("a.csv", "café\n1\n"), ("a.csv", "n,name\n" + "1,abcdefghijk\n" * 700_000 + "1,é\n")],
)
def test_text_in_another_encoding_than_utf8_is_called_so(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.csv: it is not written in UTF-8"):
        for _ in open_file(tmp_path / name).batches(["name"]):
            pass
