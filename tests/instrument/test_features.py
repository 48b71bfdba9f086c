"""Counting features in a server: the bins are those of `detect`, whatever the values are, and nothing else leaves the process."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from atlas_ops.catalog import signals as s
from atlas_ops.detect import embedding
from atlas_ops.detect.features import Category, Feature, Numeric, hash_of, word_of
from atlas_ops.detect.statistics import statistics
from atlas_ops.drift import reference
from atlas_ops.errors import AtlasError
from atlas_ops.instrument import FeatureCounter, Instrument
from atlas_ops.instrument.bins import Bins, Numbers, Words
from tests.instrument.references import written
from tests.servers.page import samples

AMOUNT = Numeric(name="amount", edges=(0.0, 1.0, 2.5, 10.0))
TENANT = Category(name="tenant", names=("acme", "3", "True", "other"), known=frozenset({hash_of("bolt")}))
MANY = Category(name="many", names=("a",), known=None)
NUMBERS = Numbers(AMOUNT.edges)
WORDS = Words({name: place for place, name in enumerate(TENANT.names)}, TENANT.known)
COUNTS = {"amount": [10, 70, 15, 0, 1, 4], "tenant": [60, 20, 10, 5, 3, 0, 2], "many": [9, 1, 0, 0]}


class Colour(Enum):
    RED = "acme"


class Hostile:
    """A value that fails whatever is done with it, and whose text is a secret."""

    def __float__(self) -> float:
        raise RuntimeError("s3cret")

    def __str__(self) -> str:
        raise RuntimeError("s3cret")


WILD = [
    None, math.nan, math.inf, -math.inf, True, False, 10**400, -(10**400), 10**5000, 1.0, "", "acme", "s3cret", b"s3cret", [1], {"a": 1}, (),
    {1}, 1j, object(), Hostile(), Colour.RED, Decimal("1.5"), np.float32(1.5), np.float64("nan"), np.float32("nan"), np.int64(3),
    np.bool_(True), np.str_("bolt"), np.array([1, 2]), np.datetime64("2024-01-01"), lambda: 1,
]  # fmt: skip


def counter(folder: Path) -> tuple[FeatureCounter, CollectorRegistry]:
    registry = CollectorRegistry()
    return FeatureCounter(written(folder, AMOUNT, TENANT, MANY, counts=COUNTS), registry=registry), registry


def told(registry: CollectorRegistry, signal: object, feature: str) -> dict[str, float]:
    """Values of a feature's series by bin."""
    found = samples(generate_latest(registry).decode(), str(signal))
    return {one.labels["bin"]: one.value for one in found if one.labels["feature"] == feature}


def counted(registry: CollectorRegistry, feature: str) -> dict[str, float]:
    return {name: value for name, value in told(registry, s.FEATURE_VALUES, feature).items() if value}


def same_bin(bins: Bins, feature: Feature, value: Any) -> bool:
    place = bins.place(value)
    counts = feature.count(
        np.array([math.nan if value is None else value], dtype=float) if isinstance(feature, Numeric) else [value]
    )
    return int(np.flatnonzero(counts)[0]) == place


@given(st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.booleans(), st.none(), st.sampled_from(AMOUNT.edges)))
def test_a_number_falls_into_the_bin_that_detect_counts_it_in(value: float | None) -> None:
    assert same_bin(NUMBERS, AMOUNT, value)
    if isinstance(value, float):
        assert same_bin(NUMBERS, AMOUNT, np.float64(value))


@given(
    st.one_of(st.text(), st.sampled_from([*TENANT.names, "bolt"]), st.floats(), st.integers(), st.booleans(), st.none())
)
def test_a_word_falls_into_the_bin_that_detect_counts_it_in(value: object) -> None:
    assert same_bin(WORDS, TENANT, value)
    assert same_bin(Words({"a": 0}, None), MANY, value)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12, unique=True),
    st.lists(st.integers(0, 10**6), min_size=14, max_size=14),
)
def test_scores_are_the_weights_of_the_location_that_detect_watches(edges: list[float], counts: list[int]) -> None:
    feature = Numeric(name="x", edges=tuple(sorted(edges)))
    rows = np.array(counts[: len(feature.bins)])
    shares = (rows + 0.5) / (rows.sum() + 0.5 * len(rows))
    assert Numbers(feature.edges).labels == feature.bins
    assert Numbers(feature.edges).scores(shares.tolist()) == pytest.approx(statistics(feature, shares)[0].weights)


def test_all_bins_are_there_at_0_from_the_start_with_what_the_reference_says_of_them(tmp_path: Path) -> None:
    features, registry = counter(tmp_path)
    for feature in (AMOUNT, TENANT, MANY):
        assert told(registry, s.FEATURE_VALUES, feature.name) == dict.fromkeys(feature.bins, 0.0)
        shares = reference.read(tmp_path / "m.json").shares(feature.name)
        found = told(registry, s.FEATURE_REFERENCE_SHARE, feature.name)
        assert found == pytest.approx(dict(zip(feature.bins, shares.tolist(), strict=True)))
    assert set(told(registry, s.FEATURE_BIN_SCORE, "amount")) == set(AMOUNT.bins)
    assert not told(registry, s.FEATURE_BIN_SCORE, "tenant")
    assert "_created" not in generate_latest(registry).decode()
    assert features.failures.count == 0


def test_shares_are_those_that_somebody_has_accepted_and_scores_stay(tmp_path: Path) -> None:
    path = written(tmp_path, AMOUNT, counts=COUNTS)
    accepted = {"amount": np.array([50, 30, 10, 5, 3, 2])}
    reference.write(replace(reference.read(path), accepted_since=0.0, accepted=accepted), path)
    registry = CollectorRegistry()
    FeatureCounter(path, registry=registry)
    found = told(registry, s.FEATURE_REFERENCE_SHARE, "amount")
    assert list(found.values()) == pytest.approx([(count + 0.5) / 103 for count in accepted["amount"]])
    scores = told(registry, s.FEATURE_BIN_SCORE, "amount")
    assert list(scores.values()) == pytest.approx(statistics(AMOUNT, reference.read(path).shares("amount"))[0].weights)


def test_requests_are_counted_one_by_one_and_many_at_a_time(tmp_path: Path) -> None:
    features, registry = counter(tmp_path)
    features.count(amount=1.5, tenant="acme")
    features.count(amount=None)
    features.count_many(amount=np.array([0.5, 1.5, np.nan, 99]), tenant=["acme", "new", "bolt", None, 3.0])
    features.count_many(tenant=(word for word in ["acme"]))
    features.count_many(amount=[10**400, -(10**400)])
    assert counted(registry, "amount") == {"00": 1, "01": 2, "below": 1, "above": 2, "missing": 2}
    assert counted(registry, "tenant") == {"acme": 3, "unseen": 1, "other": 1, "missing": 1, "3": 1}


@pytest.mark.parametrize("value", WILD, ids=lambda value: type(value).__name__)
def test_any_value_at_all_falls_into_one_bin_and_no_exception_reaches_the_request(
    value: object, tmp_path: Path
) -> None:
    features, registry = counter(tmp_path)
    features.count(amount=value, tenant=value, many=value)
    features.count_many(amount=[value, value], tenant=[value, value], many=[value])
    assert [sum(counted(registry, name).values()) for name in ("amount", "tenant", "many")] == [3, 3, 2]
    assert features.failures.count == 0


def test_what_cannot_be_counted_is_missing_and_told_once_without_its_text(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    features, registry = counter(tmp_path)
    with caplog.at_level(logging.WARNING):
        for value in ("s3cret", Hostile(), [1], "3.5"):
            features.count(amount=value, tenant=[value], unheard="s3cret", of=1)
    assert counted(registry, "amount") == {"missing": 4}
    assert counted(registry, "tenant") == {"missing": 4}
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in lines] == [
        "feature amount",
        "feature tenant",
        "the reference has no feature 'unheard'",
    ]
    assert "s3cret" not in caplog.text + generate_latest(registry).decode()


def test_a_column_that_is_none_costs_its_own_numbers_alone(tmp_path: Path) -> None:
    features, registry = counter(tmp_path)
    features.count_many(amount=5)  # type: ignore[arg-type]
    assert features.failures.count == 1
    features.count_many(amount=[5])
    assert counted(registry, "amount") == {"02": 1}


def test_new_categories_by_the_thousand_make_no_series(tmp_path: Path) -> None:
    features, registry = counter(tmp_path)
    before = len(generate_latest(registry).splitlines())
    features.count_many(tenant=[f"new-{number}" for number in range(10_000)], many=map(str, range(10_000)))
    assert len(generate_latest(registry).splitlines()) == before
    assert counted(registry, "tenant") == {"unseen": 10_000}
    assert counted(registry, "many") == {"other": 10_000}


def test_threads_lose_no_count(tmp_path: Path) -> None:
    features, registry = counter(tmp_path)

    def work(number: int) -> None:
        for _ in range(2_000):
            features.count(amount=number / 2)
        features.count_many(tenant=["acme"] * 1_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sum(counted(registry, "amount").values()) == 16_000
    assert counted(registry, "tenant") == {"acme": 8_000}


def test_embeddings_fall_into_the_bins_that_detect_makes_of_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = np.random.default_rng(1).normal(size=(400, 8))
    made = embedding.embedding("embedding_query", vectors)
    assert made is not None
    registry = CollectorRegistry()
    features = FeatureCounter(written(tmp_path, *made.features, embeddings=(made,)), registry=registry)
    live = [*vectors[:50], *(vectors[:20] + 3)]
    features.count_many(embedding_query=np.array(live[:60]))
    for vector in live[60:]:
        features.count(embedding_query=vector.tolist())
    values = made.values(np.array(live))
    for feature in made.features:
        expected = dict(zip(feature.bins, feature.count(values[feature.name]).tolist(), strict=True))
        assert told(registry, s.FEATURE_VALUES, feature.name) == expected
    with caplog.at_level(logging.WARNING):
        features.count_many(embedding_query=[None, vectors[0][:3], "s3cret", Hostile(), [math.nan] * 8])
        features.count_many(embedding_query=[])
    assert told(registry, s.FEATURE_VALUES, "embedding_query.topic")["missing"] == 5
    assert [record.getMessage()[:41] for record in caplog.records] == ["feature embedding_query: a value of the t"]
    assert (features.failures.count, "s3cret" in caplog.text) == (0, False)


def test_an_instrument_has_them_on_its_page_and_two_models_stand_beside_each_other(tmp_path: Path) -> None:
    ops = Instrument("m")
    features = ops.features(written(tmp_path, AMOUNT))
    other = tmp_path / "n.json"
    other.write_text((tmp_path / "m.json").read_text().replace('"m"', '"n"'))
    ops.features(str(other), model="n").count(amount=1)
    features.count_many(amount=[1, 1])
    found = {one.labels["model"]: one.value for one in samples(ops.text(), s.FEATURE_VALUES.name) if one.value}
    assert found == {"m": 2, "n": 1}


def test_where_the_metrics_go_elsewhere_features_are_in_the_registry_of_prometheus_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    monkeypatch.setattr("atlas_ops.instrument.instrument.REGISTRY", registry)
    Instrument("m", meter_provider=MeterProvider()).features(written(tmp_path, AMOUNT)).count(amount=1)
    assert counted(registry, "amount") == {"01": 1}


def test_a_reference_may_be_loaded_again_but_not_one_with_other_bins(tmp_path: Path) -> None:
    features, registry = counter(tmp_path)
    again = FeatureCounter(tmp_path / "m.json", registry=registry)
    features.count(amount=1)
    again.count(amount=1)
    assert counted(registry, "amount") == {"01": 2}
    other = written(tmp_path, replace(AMOUNT, edges=(0.0, 2.0, 3.0, 10.0)))
    with pytest.raises(AtlasError, match="amount of m is counted in this process already"):
        FeatureCounter(other, registry=registry)


def broken(**changes: object) -> Any:
    return lambda document: {**document, **changes}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (broken(format="x"), "`format`"),
        (broken(version=99), "version is 99"),
        (broken(features=[{"name": "a", "kind": "number", "counts": [1], "edges": [1, 2]}]), "damaged"),
        (broken(features=[{"name": "a", "kind": "number", "counts": [1, 1, 1, 1], "edges": [2, 1]}]), "do not rise"),
        (
            broken(
                features=[{"name": "a", "kind": "category", "counts": [1, 1, 1, 1], "names": ["\ud800"], "known": None}]
            ),
            "damaged",
        ),
        (broken(features=3), "damaged"),
        (broken(model="n"), "of the model 'n', not of 'm'"),
    ],
)
def test_a_file_that_is_no_reference_of_the_model_is_refused_when_the_server_starts(
    change: Any, says: str, tmp_path: Path
) -> None:
    path = written(tmp_path, AMOUNT)
    document: Mapping[str, object] = json.loads(path.read_text())
    path.write_text(json.dumps(change(document)))
    with pytest.raises(AtlasError, match=says):
        FeatureCounter(path, model="m", registry=CollectorRegistry())


def test_a_file_that_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="cannot be read"):
        FeatureCounter(tmp_path / "no.json")
    (tmp_path / "no.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(AtlasError, match="not JSON"):
        FeatureCounter(tmp_path / "no.json")


def python(code: str, *arguments: object, **environment: str) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment or None).stdout


def test_counting_numbers_and_words_loads_no_numpy(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from atlas_ops.instrument import FeatureCounter
        FeatureCounter(sys.argv[1]).count(amount=1.5, tenant="acme")
        print(sorted({"numpy", "pyarrow"} & set(sys.modules)))
    """
    assert python(code, written(tmp_path, AMOUNT, TENANT)) == "[]\n"


def test_workers_of_one_server_add_up_in_the_multi_process_mode_of_prometheus_client(tmp_path: Path) -> None:
    path, shared = written(tmp_path, AMOUNT), tmp_path / "shared"
    shared.mkdir()
    work = "import sys; from atlas_ops.instrument import FeatureCounter; FeatureCounter(sys.argv[1]).count_many(amount=[1, 2, None])"
    look = """if True:
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        print(generate_latest(registry).decode())
    """
    for _ in range(2):
        python(work, path, PROMETHEUS_MULTIPROC_DIR=str(shared))
    page = python(look, PROMETHEUS_MULTIPROC_DIR=str(shared))
    found = {one.labels["bin"]: one.value for one in samples(page, s.FEATURE_VALUES.name)}
    assert found == {"00": 0, "01": 4, "02": 0, "below": 0, "above": 0, "missing": 2}
    shares = {one.labels["bin"]: one.value for one in samples(page, s.FEATURE_REFERENCE_SHARE.name)}
    assert shares == pytest.approx(dict(zip(AMOUNT.bins, reference.read(path).shares("amount").tolist(), strict=True)))


def test_words_of_numpy_are_the_words_of_their_column() -> None:
    column = np.array([3.0, np.nan], dtype=np.float32)
    assert [WORDS.place(value) for value in column] == TENANT.places(
        [word_of(value) for value in column.tolist()]
    ).tolist()
