from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.drift.labels import sides
from atlas_ops.drift.labels.files import Files
from atlas_ops.drift.labels.join import Joined, join
from atlas_ops.drift.labels.side import Columns
from atlas_ops.errors import DataError
from tests.drift import data


class Rows:
    """Rows of memory, in batches of two."""

    name = "rows"

    def __init__(self, **columns: Any) -> None:
        self._table = pa.table(columns)

    def batches(self, columns: Any) -> Any:
        yield from self._table.select(list(columns)).to_batches(max_chunksize=2)


def joined(folder: Path, predictions: Any, labels: Any, **options: Any) -> Joined:
    threshold = options.pop("threshold", None)
    times = Columns(key="id", value="value", time="at")
    timed, labels_timed = options.pop("timed", False), options.pop("labels_timed", False)
    place = folder / str(len(list(folder.iterdir())))
    place.mkdir()
    both = Columns(key="id", value="value")
    one = sides.read(predictions, times if timed else both, place / "p", lambda rows: None, threshold=threshold)
    other = sides.read(labels, times if labels_timed else both, place / "l", lambda rows: None)
    return join(one, other, timed=timed, labels_timed=labels_timed, **options)


_SIDE = st.lists(
    st.tuples(st.sampled_from(["", *map(str, range(12))]), st.sampled_from(["yes", "no", None])), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(predictions=_SIDE, labels=_SIDE)
def test_what_is_counted_is_what_a_join_in_memory_counts(
    tmp_path_factory: pytest.TempPathFactory,
    predictions: list[tuple[str, str | None]],
    labels: list[tuple[str, str | None]],
) -> None:
    def single(rows: list[tuple[str, str | None]]) -> tuple[dict[str, str], int, int]:
        found: dict[str, list[str]] = {}
        for key, value in rows:
            if key and value:
                found.setdefault(key, []).append(value)
        agreed = {key: values[0] for key, values in found.items() if len(set(values)) == 1}
        return agreed, len(found) - len(agreed), sum(len(found[key]) - 1 for key in agreed)

    (one, torn, twice), (other, _, _) = single(predictions), single(labels)
    common = one.keys() & other.keys()
    columns = [
        {"id": [key for key, _ in rows], "value": pa.array([value for _, value in rows], pa.string())}
        for rows in (predictions, labels)
    ]
    folder = tmp_path_factory.mktemp("join")
    if not common or not set(one.values()) & set(other.values()):
        return
    found = joined(folder, Rows(**columns[0]), Rows(**columns[1]))
    assert found.tally.labelled.sum() == len(common)
    assert found.tally.right.sum() == sum(one[key] == other[key] for key in common)
    assert found.tally.predicted.sum() == len(one)
    assert (found.predictions.conflicting, found.predictions.repeated) == (torn, twice)
    assert found.predictions.alone == len(one) - len(common)
    assert found.labels.alone == len(other) - len(common)
    assert found.sides[0].without_key == sum(not key for key, _ in predictions)


_KEYS = [str(number) for number in range(8)]
_LABELS = st.lists(
    st.tuples(st.sampled_from(_KEYS), st.sampled_from(["yes", "no"]), st.integers(1, 4)), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(labels=_LABELS)
def test_the_latest_label_of_a_request_holds(
    tmp_path_factory: pytest.TempPathFactory, labels: list[tuple[str, str, int]]
) -> None:
    last = {key: max(at for one, _, at in labels if one == key) for key, _, _ in labels}
    values = {key: {value for one, value, at in labels if (one, at) == (key, last[key])} for key in last}
    held = {key: found.pop() for key, found in values.items() if len(found) == 1}
    if not held:
        return
    predictions = Rows(id=_KEYS, value=["yes"] * 7 + ["no"], at=[1.0e9] * 8)
    keys, words, times = zip(*labels, strict=True)
    told = Rows(id=list(keys), value=list(words), at=[1.0e9 - 2 + at for at in times])
    found = joined(tmp_path_factory.mktemp("join"), predictions, told, timed=True, labels_timed=True)
    assert found.tally.labelled.sum() == len(held)
    assert found.tally.right.sum() == sum(value == ("no" if key == "7" else "yes") for key, value in held.items())
    assert found.labels.conflicting == len(last) - len(held)
    assert found.labels.superseded == sum(at < last[key] for key, _, at in labels)
    assert found.labels.early == sum(last[key] < 2 for key in held)


def test_a_whole_number_in_parquet_is_the_same_identifier_as_its_digits_in_csv_however_many(tmp_path: Path) -> None:
    ids = np.array([2**60 + place for place in range(40)])
    data.parquet(tmp_path / "a.parquet", {"id": ids, "value": np.arange(40) % 2})
    for written, name in ((data.csv, "b.csv"), (data.json_lines, "b.jsonl")):
        written(tmp_path / name, {"id": ids, "value": np.arange(40) % 2})
        both = Columns(key="id", value="value")
        folder = tmp_path / f"{name}.parts"
        folder.mkdir()
        one = sides.read(Files(tmp_path / "a.parquet", both), both, folder / "p", lambda rows: None)
        other = sides.read(Files(tmp_path / name, both), both, folder / "l", lambda rows: None)
        found = join(one, other, timed=False)
        assert found.tally.labelled.sum() == found.tally.right.sum() == 40, name


def test_neither_identifiers_nor_text_lie_on_the_disk(tmp_path: Path) -> None:
    source = Rows(id=["secret-id-1", "secret-id-2"], value=["secret-class", "other"])
    sides.read(source, Columns(key="id", value="value"), tmp_path / "p", lambda rows: None)
    assert b"secret" not in b"".join(path.read_bytes() for path in (tmp_path / "p").iterdir())


def test_identifiers_that_became_floats_and_lost_digits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="floating-point") as told:
        joined(tmp_path, Rows(id=[float(2**60)], value=["a"]), Rows(id=["1"], value=["a"]))
    assert str(2**60) not in str(told.value)


@pytest.mark.parametrize(
    ("predictions", "labels", "said"),
    [
        ({"value": ["a", "b"]}, {"value": ["c", "d"]}, "share no class"),
        ({"value": [0.3, 0.7]}, {"value": [0, 1]}, "--threshold|holds 0 and 1"),
        ({"value": [[1.0], [2.0]]}, {"value": [0, 1]}, "holds lists of numbers"),
        ({"id": [None, None], "value": [1, 2]}, {"value": [0, 1]}, "none of its 2 rows has an identifier"),
        ({}, {"value": []}, "it has no rows"),
        ({"id": ["x", "y"], "value": [1, 0]}, {"value": [0, 1]}, "no identifier is on both sides"),
        ({"value": [str(place) for place in range(1002)]}, {"value": [0] * 1002}, "more than 1,000 different texts"),
    ],
)
def test_what_cannot_be_compared_is_said_without_any_value(
    tmp_path: Path, predictions: dict[str, Any], labels: dict[str, Any], said: str
) -> None:
    ids = [f"key-{place}" for place in range(len(labels["value"]))]
    with pytest.raises(DataError, match=said):
        joined(tmp_path, Rows(**{"id": ids, "value": ids, **predictions}), Rows(**{"id": ids, **labels}))


def test_scores_become_classes_at_a_threshold_and_yes_is_one(tmp_path: Path) -> None:
    ids = ["a", "b", "c", "d"]
    scores, truth = Rows(id=ids, value=[0.2, 0.5, 0.9, math.nan]), Rows(id=ids, value=[False, True, False, True])
    found = joined(tmp_path, scores, truth, threshold=0.5)
    assert found.tally.classes == ("0", "1")
    assert (found.tally.right.sum(), found.tally.labelled.sum(), found.sides[0].without_value) == (2, 3, 1)


def test_many_whole_numbers_are_numbers_and_few_are_classes_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    ids = [f"k{place}" for place in range(60)]
    few, many = Rows(id=ids, value=[place % 3 for place in range(60)]), Rows(id=ids, value=list(range(60)))
    assert joined(tmp_path, few, few).tally.classes == ("0", "1", "2")
    assert joined(tmp_path, many, many).tally.classes == ()
    assert joined(tmp_path, few, few, kind="number").tally.classes == ()
    assert len(joined(tmp_path, many, many, kind="class").tally.classes) == 60


def test_a_file_of_labels_that_is_damaged_is_told_without_its_values(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    both = Columns(key="id", value="value")
    path.write_text(
        "id,value\n" + "".join(f"id-{place},{place}\n" for place in range(600_000)) + "hush-id,hush-value\n"
    )
    with pytest.raises(DataError) as told:
        sides.read(Files(path, both), both, tmp_path / "p", lambda rows: None)
    assert "Row #600002" in str(told.value)
    assert "hush" not in str(told.value)
    path.write_text("id,value\nhush-id,hush-value,hush-more\n")
    with pytest.raises(DataError, match="Expected 2 columns, got 3") as told:
        sides.read(Files(path, both), both, tmp_path / "q", lambda rows: None)
    assert "hush" not in str(told.value)
