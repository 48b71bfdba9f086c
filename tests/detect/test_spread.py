from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.detect.calibration import calibrate
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.features import Category, Numeric
from atlas_ops.detect.score import score
from atlas_ops.detect.spread import Spread, fitted, sampling_variance
from atlas_ops.detect.statistics import statistics
from atlas_ops.detect.windows import Windows, observe

LENGTH = Numeric(name="length", edges=(0.0, 1.0, 2.0, 3.0))
KIND = Category(name="kind", names=("chat", "code"))


def test_wander_and_the_chance_of_rows_are_told_apart() -> None:
    chance = np.random.default_rng(1)
    rows = chance.integers(30, 300, (4000, 2)).astype(float)
    variance = np.array([0.01, 0.0]) + np.array([1.0, 5.0]) / rows
    wander, per_row = fitted(chance.normal(0, np.sqrt(variance)), rows, rows > 0, np.array([1.0, 1.0]))
    assert wander == pytest.approx([0.01, 0.0], abs=0.002)
    assert per_row == pytest.approx([1.0, 5.0], rel=0.25)


def test_means_that_are_not_known_teach_nothing() -> None:
    mean, rows, known = np.full((100, 1), 5.0), np.full((100, 1), 50.0), np.zeros((100, 1), dtype=np.bool_)
    assert fitted(mean, rows, known, np.array([1.0]))[0] < 0.001
    assert fitted(mean, rows, ~known, np.array([1.0]))[0] > 20


def test_a_level_that_is_not_sure_adds_to_the_spread() -> None:
    wander, per_row = np.full((3, 1), 0.04), np.full((3, 1), 1.0)
    assert Spread(wander, per_row).deviation(0, np.array([100.0])) == pytest.approx(np.sqrt(0.05))
    assert Spread(wander, per_row, np.array([0.02])).deviation(0, np.array([100.0])) == pytest.approx(np.sqrt(0.07))


def test_a_rare_bin_is_granted_the_chance_of_one_in_a_hundred() -> None:
    windows = Windows(np.array([300.0]), {"kind": np.array([[999_999, 1, 0, 0, 0]])})
    watched = statistics(KIND, np.full(5, 0.2))
    assert sampling_variance(observe(windows, watched), watched) == pytest.approx(np.full(5, 0.0099))


@settings(deadline=None, max_examples=12)
@given(
    st.lists(st.tuples(st.integers(0, 863), st.integers(0, 5), st.integers(0, 10**10)), max_size=40),
    st.integers(0, 10**9),
)
def test_whatever_the_counts_are_every_number_is_finite(odd: list[tuple[int, int, int]], usual: int) -> None:
    counts = {"length": np.full((864, 6), usual), "kind": np.full((864, 5), usual)}
    for window, place, rows in odd:
        counts["length"][window, place] = rows
        counts["kind"][window, place % 5] = 10**10 - rows
    windows = Windows((np.arange(864) + 1) * 300.0, counts)
    watched = [one for f in (LENGTH, KIND) for one in statistics(f, smoothed(counts[f.name].sum(axis=0)))]
    observed = observe(windows, watched)
    calibration = calibrate(observed, watched)
    scores = score(observed, calibration)
    for numbers in (calibration.spread.wander, calibration.spread.per_row, scores.seasonal, scores.slow):
        assert np.isfinite(numbers).all()
        assert (numbers >= 0).all()
    assert not np.isnan([calibration.page, calibration.ticket]).any()
