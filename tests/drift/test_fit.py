from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from atlas_ops.detect.features import Category, Numeric
from atlas_ops.drift import fit, reference
from atlas_ops.drift.fit import Wish
from atlas_ops.drift.reference import Reference
from atlas_ops.errors import DataError
from tests.drift import data

ROWS = 2_000


def fitted(path: Path, rows: dict[str, Any], /, **wish: Any) -> Reference:
    return fit.fit([data.parquet(path / "a.parquet", rows)], Wish(model="m", **wish), lambda *told: None)


def test_numbers_text_and_few_whole_numbers_become_what_the_help_says(tmp_path: Path) -> None:
    made = fitted(tmp_path, data.rows(ROWS, seed=1))
    kinds = {feature.name: type(feature) for feature in made.features}
    assert kinds == {"length": Numeric, "tenant": Category, "retries": Category, "ok": Category}
    assert made.rows == ROWS
    assert all(counts.sum() == ROWS for counts in made.counts.values())


def test_edges_hold_every_value_of_the_data_even_beyond_the_sample(tmp_path: Path) -> None:
    values = np.concatenate([np.random.default_rng(1).normal(size=60_000), [-1e9, 1e9]])
    made = fitted(tmp_path, {"x": values})
    feature = made.features[0]
    assert isinstance(feature, Numeric)
    assert (feature.edges[0], feature.edges[-1]) == (-1e9, 1e9)
    assert made.counts["x"][: feature.inner].sum() == len(values)
    assert made.shares("x")[1:-4] == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (np.full(ROWS, 7.0), "it is constant (7)"),
        (np.full(ROWS, np.nan), "all its values are missing or infinite"),
        (np.full(ROWS, np.inf), "all its values are missing or infinite"),
        ([None] * ROWS, "it holds no values"),
        (
            [f"id-{place}" for place in range(ROWS)],
            "it looks like an identifier or prose: 2,000 different values in 2,000 rows",
        ),
        (
            [[1.0] * (1 + place % 3) for place in range(ROWS)],
            "its lists have 3 different lengths; an embedding has one",
        ),
        ([{"a": 1}] * ROWS, "it holds something else"),
    ],
)
def test_a_column_that_cannot_be_watched_is_named_with_the_reason(tmp_path: Path, column: Any, why: str) -> None:
    made = fitted(tmp_path, {"odd": column, "good": np.random.default_rng(1).normal(size=ROWS)})
    assert [feature.name for feature in made.features] == ["good"]
    assert f"column odd is not watched: {why}" in made.notes
    with pytest.raises(DataError, match="no column can be watched"):
        fitted(tmp_path, {"odd": column})


def test_missing_and_infinite_values_are_counted_and_do_not_move_the_edges(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=ROWS)
    values[:100], values[100:150] = np.nan, np.inf
    made = fitted(tmp_path, {"x": values})
    feature = made.features[0]
    assert isinstance(feature, Numeric)
    assert np.isfinite(feature.edges).all()
    assert dict(zip(feature.bins, made.counts["x"].tolist(), strict=True))["missing"] == 100
    assert dict(zip(feature.bins, made.counts["x"].tolist(), strict=True))["above"] == 50


def test_embeddings_become_topics_distances_and_directions(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(ROWS, 6)).astype(np.float32)
    made = fitted(tmp_path, {"vector": list(vectors), "x": vectors[:, 0]}, columns=("x",), embedding="vector")
    names = [feature.name for feature in made.features]
    assert {"x", "vector.topic", "vector.distance", "vector.direction_00"} <= set(names)
    reference.write(made, tmp_path / "r.json")
    again = reference.read(tmp_path / "r.json")
    assert again.embeddings[0].centroids.tolist() == made.embeddings[0].centroids.tolist()


def test_four_weeks_with_times_know_the_hour_of_the_week_and_say_which_column_told(tmp_path: Path) -> None:
    made = fitted(tmp_path, data.timed(20_000, 28, seed=1))
    assert made.time == "at"
    assert made.limits is not None
    assert made.limits.timed
    assert made.notes == ("rows are told by the column at, the only one that holds times",)


def test_a_short_history_says_until_when_there_are_no_pages(tmp_path: Path) -> None:
    made = fitted(tmp_path, data.timed(5_000, 5, seed=1), time="at")
    assert made.limits is not None
    assert not made.limits.timed
    assert (
        "too short for pages (6 of 14 days)" in made.notes[0] or "too short for pages (5 of 14 days)" in made.notes[0]
    )
    assert "2024-01-15" in made.notes[0]


def test_data_without_times_says_what_cannot_be_known(tmp_path: Path) -> None:
    assert fitted(tmp_path, data.rows(ROWS, seed=1)).notes[0].startswith("the data has no times")


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (np.full(ROWS, 1.0), "its earliest time is 1970-01-01"),
        (np.full(ROWS, 4e9), "in the future"),
        ([None] * ROWS, "2,000 of 2,000 rows have no time in it"),
        (["yesterday"] * ROWS, "2,000 of 2,000 rows have no time in it"),
    ],
)
def test_times_that_cannot_be_are_refused(tmp_path: Path, times: Any, told: str) -> None:
    with pytest.raises(DataError) as caught:
        fitted(tmp_path, {**data.rows(ROWS, seed=1), "at": times}, time="at")
    assert told in caught.value.message


def test_a_column_that_is_not_there_and_too_few_rows_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column is called nothing"):
        fitted(tmp_path, data.rows(ROWS, seed=1), columns=("nothing",))
    with pytest.raises(DataError, match="the data has 10 rows; a reference needs 500"):
        fitted(tmp_path, data.rows(10, seed=1))
    with pytest.raises(DataError, match="holds numbers, not lists of numbers"):
        fitted(tmp_path, data.rows(ROWS, seed=1), embedding="length")


def test_the_same_data_in_one_file_or_several_forms_makes_the_same_bins_and_counts(tmp_path: Path) -> None:
    columns = data.rows(ROWS, seed=1)
    first, second = (
        {name: column[part] for name, column in columns.items()} for part in (slice(900), slice(900, None))
    )
    parts = [data.csv(tmp_path / "1.csv", first), data.json_lines(tmp_path / "2.jsonl", second)]
    whole = fitted(tmp_path, columns)
    split = fit.fit(parts, Wish(model="m"), lambda *told: None)
    assert split.features == whole.features
    assert all(split.counts[name].tolist() == whole.counts[name].tolist() for name in whole.counts)


def test_a_reference_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    made = fitted(tmp_path, data.timed(20_000, 28, seed=1))
    reference.write(made, tmp_path / "r.json")
    again = reference.read(tmp_path / "r.json", model="m")
    assert (again.features, again.time, again.notes) == (made.features, made.time, made.notes)
    assert again.limits is not None
    assert made.limits is not None
    assert again.limits.limit(2, 7) == made.limits.limit(2, 7)
    assert again.limits.spread.wander == pytest.approx(made.limits.spread.wander, rel=1e-5)


def test_a_column_called_like_a_feature_of_an_embedding_is_refused(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(ROWS, 4))
    with pytest.raises(
        DataError, match=r"column emb\.topic is called like a feature that is made of the embedding emb"
    ):
        fitted(tmp_path, {"emb": list(vectors), "emb.topic": vectors[:, 0]})


def test_vectors_with_enormous_numbers_are_missing_ones(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(ROWS, 3))
    vectors[::2, 0] = 1e200
    made = fitted(tmp_path, {"vector": list(vectors)})
    assert made.counts["vector.topic"][-1] == ROWS / 2
    assert made.counts["vector.distance"][-1] == ROWS / 2


def test_lists_that_are_all_empty_are_called_so(tmp_path: Path) -> None:
    empty = pa.array([None, []] * (ROWS // 2), pa.list_(pa.float64()))
    made = fitted(tmp_path, {"vector": empty, **data.rows(ROWS, seed=1)})
    assert "column vector is not watched: all its values are missing or empty lists" in made.notes


def test_a_column_may_be_empty_in_the_first_file(tmp_path: Path) -> None:
    columns = data.rows(ROWS, seed=1)
    data.csv(tmp_path / "a.csv", {**columns, "length": pa.nulls(ROWS)})
    data.csv(tmp_path / "b.csv", columns)
    made = fit.fit([tmp_path], Wish(model="m"), lambda *told: None)
    assert made.counts["length"][-1] == ROWS
