"""A reference that was damaged by a hand or a tool is refused, with what is wrong and where, or it judges without a not-a-number."""

from __future__ import annotations

import copy
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_ops.cli import main
from atlas_ops.detect.features import Feature
from atlas_ops.detect.windows import STEP, Windows
from atlas_ops.drift import live, reference
from atlas_ops.drift.check import check
from atlas_ops.drift.fit import Wish, fit
from atlas_ops.drift.live import Live
from atlas_ops.drift.report import text
from atlas_ops.errors import ConfigError
from atlas_ops.instrument import reference as instrumented
from atlas_ops.watch import report
from atlas_ops.watch.judge import judge
from atlas_ops.watch.watcher import Outcome, Round
from tests.drift import data

Document = dict[str, Any]
Place = tuple[str | int, ...]
NAN, INF = math.nan, math.inf


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """What the files of two references hold: one of four weeks with an embedding, and one without times."""
    folder, made = tmp_path_factory.mktemp("made"), {}
    chance = np.random.default_rng(7)
    for name, columns in {"timed": data.timed(6_000, 28, seed=1), "plain": data.rows(6_000, seed=1)}.items():
        columns["vector"] = list(chance.normal(size=(6_000, 3)))
        file = folder / f"{name}.json"
        reference.write(
            fit([data.parquet(folder / f"{name}.parquet", columns)], Wish(model=name), lambda *_: None), file
        )
        made[name] = json.loads(file.read_text(encoding="utf-8"))
    return made


@pytest.fixture(scope="module")
def rows(documents: dict[str, Document], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Live]:
    """Live rows of two days, counted by each of them."""
    folder, found = tmp_path_factory.mktemp("live"), {}
    for name, columns in {
        "timed": data.timed(2_000, 2, seed=2, start=data.MONDAY + 28 * data.DAY),
        "plain": data.rows(2_000, seed=2),
    }.items():
        columns["vector"] = list(np.random.default_rng(8).normal(size=(2_000, 3)))
        made = read(documents[name], folder)
        files = [data.parquet(folder / f"{name}.parquet", columns)]
        found[name] = live.read(made, files, time=None, told=lambda _: None)
    return found


def read(document: Document, folder: Path) -> reference.Reference:
    file = folder / "changed.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return reference.read(file)


def put(document: Document, place: Sequence[str | int], value: Any) -> Document:
    changed = copy.deepcopy(document)
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return changed


@pytest.mark.parametrize(("meaning", "made"), [(None, "an older"), (1, "an older"), (99, "a newer"), ("x", "an older")])
def test_a_reference_whose_limits_mean_something_else_is_refused_and_its_bins_are_not(
    documents: dict[str, Document], tmp_path: Path, meaning: object, made: str
) -> None:
    document = put(documents["timed"], ["meaning"], meaning)
    if meaning is None:
        del document["meaning"]
    with pytest.raises(ConfigError) as refused:
        read(document, tmp_path)
    assert f"made by {made} atlas-ops" in refused.value.message
    assert "`atlas-ops drift fit`" in refused.value.next_step
    assert "--bins changed.json" in refused.value.next_step
    file = tmp_path / "changed.json"
    kept = reference.read(file, bins_only=True)
    assert kept.features == read(documents["timed"], tmp_path).features
    assert (kept.calibration, kept.limits) == (None, None)
    file.write_text(json.dumps(document), encoding="utf-8")
    assert instrumented.read(file).bins.keys() == {feature.name for feature in kept.features}


def test_what_hours_of_the_week_and_weekends_are_like_comes_back_out_of_the_file(
    documents: dict[str, Document], tmp_path: Path
) -> None:
    made = read(put(documents["timed"], ["calibration", "hours_of_week"], [[5, 2, 0.25], [167, 0, -1.5]]), tmp_path)
    reference.write(made, tmp_path / "again.json")
    again = reference.read(tmp_path / "again.json")
    assert made.calibration is not None
    assert again.calibration is not None
    assert again.calibration.season.added is not None
    assert np.argwhere(again.calibration.season.added).tolist() == [[5, 2], [167, 0]]
    assert again.calibration.season.added[[5, 167], [2, 0]].tolist() == [0.25, -1.5]
    assert made.weekends is not None
    assert again.weekends is not None
    rows = made.weekends["length"].sum() / made.rows
    assert 0.15 < rows < 0.45
    assert again.weekends["length"].tolist() == made.weekends["length"].tolist()


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("calibration", "season", 0, 0, 0), "NaN", "calibration.season: expected lists of numbers"),
        (("calibration", "season", 0, 0), [], "calibration.season: expected lists of one length"),
        (("calibration", "season", 1, 3, 2), 1e300, "calibration.season: expected numbers from"),
        (("calibration", "page"), NAN, "calibration.page: expected a number, found nan"),
        (("model",), "", "model: expected a name"),
        (("features", 1, "known"), "!!!", "features[1].known: Only base64"),
        (("calibration", "season", 0, 0, 1), INF, "calibration.season[0][0][1]: expected a number, found inf"),
        (("calibration", "page"), "5", "calibration.page: expected a number"),
        (("calibration", "wander"), [], "calibration.wander: expected 3 times"),
        (
            ("calibration", "hours_of_week"),
            [[168, 0, 0.5]],
            "calibration.hours_of_week[0]: expected a whole number from 0 to 167",
        ),
        (
            ("calibration", "hours_of_week"),
            [[0, 10**6, 0.5]],
            "calibration.hours_of_week[0]: expected a whole number from 0 to",
        ),
        (("calibration", "hours_of_week"), [[0, 0, "1"]], "calibration.hours_of_week[0]: expected a number"),
        (("weekends", "length"), [1], "the weekends counts of feature length: expected 13 numbers, found 1"),
        (("weekends",), {}, "weekends: the counts of feature length are missing"),
        (("weekends", "length", 0), 10**6, "weekends: feature length has more rows in them than altogether"),
        (("limits", "wander", 0, 0), 0, "limits.wander: expected numbers from 1e-12"),
        (("limits", "greatest"), [], "limits.greatest: expected 3 numbers, found 0"),
        (("limits", "scale"), [], "limits.scale: expected 3 numbers, found 0"),
        (("limits", "scale", 1), -1, "limits.scale: expected numbers from 0"),
        (("limits", "parts"), [], "limits.parts: expected 3, found 0"),
        (("limits", "parts"), [0, 0, 0], "limits.parts: expected 1 or more"),
        (("limits", "lengths"), [0.0, 0.0, 0.0], "limits.lengths: expected 300 seconds or more, found 0"),
        (("calibration",), None, "there is no calibration"),
        (("features",), [], "'vector.topic' is missing"),
        (("features", 0, "counts", 0), 10**30, "the counts of feature length[0]: expected a whole number"),
        (("features", 0, "counts", 0), 1.5, "the counts of feature length[0]: expected a whole number"),
        (("features", 0, "counts", 0), -1, "the counts of feature length[0]: expected a whole number"),
        (("features", 0, "counts"), [1], "the counts of feature length: expected 13 numbers, found 1"),
        (("features", 0, "edges", 1), -5.0, "edges that rise"),
        (("features", 0, "kind"), "text", "features[0].kind: expected number or category"),
        (("features", 1, "name"), "length", "length is there twice"),
        (("features", 1, "names", 0), "bolt", "bolt is there twice"),
        (("features", 1, "names", 0), "\ud800", "features[1].names[0]: expected a text in UTF-8"),
        (("accepted",), {}, "accepted: the counts of feature length are missing"),
        (("embeddings", 0, "seed"), 2**40, "the seed of embedding vector: expected a whole number"),
        (("embeddings", 0, "centroids"), [1.0], "embedding vector: expected centroids of one length"),
        (("rows",), INF, "rows: expected a number, found inf"),
        (("rows",), "1e400", "rows: expected a whole number"),
        (("time",), ["at"], "time: expected a text"),
        (("start",), "soon", "start: expected a number"),
        (("end",), 1e300, "end: expected a number from"),
        (("made_at",), True, "made_at: expected a number"),
        (("accepted_since",), "x", "accepted_since: expected a number"),
    ],
)
def test_what_no_reference_can_hold_is_refused_with_its_place(
    documents: dict[str, Document], tmp_path: Path, place: Place, value: Any, said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        read(put(documents["timed"], place, value), tmp_path)
    assert said in str(error.value)
    assert "changed.json" in str(error.value)


@pytest.mark.parametrize("command", ["show", "check"])
def test_commands_refuse_a_damaged_reference_with_a_sentence(
    documents: dict[str, Document], tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.json"
    file.write_text(json.dumps(put(documents["timed"], ("end",), NAN)), encoding="utf-8")
    assert main(["drift", command, str(file), *([str(tmp_path)] if command == "check" else [])]) == 2
    assert "end: expected a number, found nan" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="end: expected a number, found nan"):
        instrumented.read(file)


def leaves(of: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every leaf, of no more than four of a long list."""
    if isinstance(of, dict | list):
        steps = list(of.items()) if isinstance(of, dict) else list(enumerate(of))
        for step, inner in steps if len(steps) <= 30 and isinstance(of, dict) else [*steps[:2], *steps[-2:]]:
            yield from leaves(inner, (*place, step))
    if place:
        yield place


WILD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.sampled_from([0, -1, 1, 1e-320, 1e-13, 1e11, 1e300, -1e300, 2**53, 10**30, 10**400, "NaN", "\ud800", [NAN]]),
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choose=st.data(), name=st.sampled_from(["timed", "plain"]), value=WILD)
def test_whatever_is_changed_is_refused_or_judged_by_numbers(
    documents: dict[str, Document], rows: dict[str, Live], choose: st.DataObject, name: str, value: Any
) -> None:
    document = documents[name]
    place = choose.draw(st.sampled_from(list(leaves(document))))
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = read(put(document, place, value), Path(folder))
        except ConfigError:
            return
    text.reference(made).encode()
    found = judge(made, _windows(made))
    assert all(math.isfinite(one.share) for one in found.findings)
    report.text(Round(outcomes=(Outcome(file="f", model=made.model, judgement=found),), at=0.0, seconds=0.0)).encode()
    if _bins(made.features) == _bins(rows[name].counting.features):  # else the rows would have to be counted anew
        said = check(made, rows[name])
        assert all(math.isfinite(one.nearness) for one in said.features)


def _bins(features: Sequence[Feature]) -> list[tuple[str, tuple[str, ...]]]:
    return [(feature.name, feature.bins) for feature in features]


def _windows(made: reference.Reference) -> Windows:
    """Two days of what the reference holds, the last six hours in the last bin."""
    size = 2 * 288
    counts = {}
    for feature in made.features:
        bins = len(feature.bins)
        counts[feature.name] = np.full((size, bins), 3, dtype=np.int64)
        counts[feature.name][-72:, -1] = 50
    times = data.MONDAY + 30 * data.DAY + (np.arange(size) + 1) * STEP
    return Windows(times=times, counts=counts)
