from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.detect.distances import distances, smoothed
from atlas_ops.detect.features import Category, Numeric
from atlas_ops.detect.statistics import statistics

COUNTS = st.lists(st.integers(0, 10_000), min_size=2, max_size=12)


@given(COUNTS, COUNTS)
def test_distances_are_never_negative_and_bounded(one: list[int], other: list[int]) -> None:
    size = min(len(one), len(other))
    live, reference = np.array(one[:size]), np.array(other[:size])
    found = distances(live, smoothed(reference))
    assert found.psi >= 0
    assert 0 <= found.js <= 1
    assert 0 <= found.ks <= 1
    assert np.isfinite([found.psi, found.ks, found.chi2, found.js]).all()


def test_the_same_shares_are_no_distance_and_others_are() -> None:
    same = np.array([1000, 2000, 7000])
    assert distances(same, smoothed(same)).psi == 0
    assert distances(np.array([7000, 2000, 1000]), smoothed(same)).psi > 1


def test_psi_of_chance_alone_is_about_nothing() -> None:
    chance = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    draws = [chance.multinomial(300, shares) for _ in range(300)]
    plain = [float(((smoothed(d) - shares) * np.log(smoothed(d) / shares)).sum()) for d in draws]
    assert np.mean(plain) == pytest.approx(9 / 300, rel=0.15)  # the bias that is taken off
    assert np.mean([distances(d, shares).psi for d in draws]) < 0.01


@given(COUNTS)
def test_statistics_are_linear_in_the_counts(counts: list[int]) -> None:
    feature = Numeric(name="x", edges=tuple(float(edge) for edge in range(len(counts) + 1)))
    whole = np.array([*counts, 3, 4, 5])
    half, rest = whole // 2, whole - whole // 2
    for one in statistics(feature, smoothed(whole)):
        weights = np.asarray(one.weights)
        assert weights @ whole == pytest.approx(weights @ half + weights @ rest)


def test_the_reference_itself_has_location_nothing_and_scale_one() -> None:
    feature = Numeric(name="x", edges=(0.0, 1.0, 2.0, 3.0))
    shares = np.array([0.2, 0.5, 0.3, 0.0, 0.0, 0.0])
    found = {one.name: float(np.asarray(one.weights) @ shares) for one in statistics(feature, shares)}
    assert found["location"] == pytest.approx(0, abs=1e-9)
    assert found["scale"] == pytest.approx(1)
    assert found["share of 00"] == pytest.approx(0.2)


def test_every_category_is_watched_and_what_was_never_there_too() -> None:
    feature = Category(name="kind", names=("a", "b"))
    names = [one.name for one in statistics(feature, np.full(5, 0.2))]
    assert names == ["share of a", "share of b", "share of other", "share of unseen", "share of missing"]
