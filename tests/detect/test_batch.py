from __future__ import annotations

import math

import numpy as np
import pytest

from atlas_ops.detect.batch import BLOCKS, LEAST_PARTS, RATE, Limits, by_blocks, effective, parts
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import STEP, Observed

WATCHED = [Statistic(feature=f"f{place}", name="location", weights=()) for place in range(10)]
EACH = 100
"""Rows of a block."""


def blocks(chance: np.random.Generator, count: int, wander: float) -> Observed:
    """Return means of blocks of rows of unit variance, around a level that wanders over some ten blocks."""
    level = np.zeros((count, len(WATCHED)))
    for place in range(1, count):
        level[place] = 0.9 * level[place - 1] + wander * math.sqrt(1 - 0.81) * chance.normal(size=len(WATCHED))
    values = level + chance.normal(size=level.shape) / math.sqrt(EACH)
    return Observed(times=np.arange(1, count + 1) * STEP, values=values, rows=np.full(level.shape, float(EACH)))


def found(reference: Observed, live: Observed, limits: Limits) -> bool:
    rows, others = live.rows.sum(axis=0), reference.rows.sum(axis=0)
    alike = effective(rows, others)
    place = limits.nearest(float(alike.max()))
    difference = live.values.mean(axis=0) - reference.values.mean(axis=0)
    return bool((np.abs(difference / limits.spread.deviation(place, alike)) >= limits.limit(place, 1)).any())


def share_found(wander: float, shift: float, rounds: int = 60) -> float:
    chance = np.random.default_rng(7)
    times = 0
    for _ in range(rounds):
        whole = blocks(chance, BLOCKS + 32, wander)
        reference, live = (
            Observed(times=whole.times[cut], values=whole.values[cut], rows=whole.rows[cut])
            for cut in (slice(BLOCKS), slice(BLOCKS, None))
        )
        live.values[:, 0] += shift
        times += found(reference, live, by_blocks(reference, WATCHED))
    return times / rounds


@pytest.mark.parametrize("wander", [0.0, 0.1, 0.3])
def test_rows_of_the_same_world_are_hardly_ever_drift_however_it_wanders(wander: float) -> None:
    assert share_found(wander, shift=0.0) <= 0.05


@pytest.mark.parametrize(("wander", "shift"), [(0.0, 0.15), (0.1, 0.5)])
def test_a_shift_beyond_the_wander_is_nearly_always_found(wander: float, shift: float) -> None:
    assert share_found(wander, shift, rounds=20) >= 0.9


def test_a_limit_rises_with_the_number_of_looks_and_is_never_below_what_chance_needs() -> None:
    limits = by_blocks(blocks(np.random.default_rng(1), BLOCKS, 0.1), WATCHED)
    looked = [limits.limit(0, looks) for looks in (1, 10, 1_000)]
    assert looked == sorted(looked)
    assert looked[0] >= 3.2  # the normal quantile of RATE / 2 / 10 statistics
    assert RATE == 0.01


def test_too_few_blocks_have_no_limit() -> None:
    limits = by_blocks(blocks(np.random.default_rng(1), LEAST_PARTS - 1, 0.0), WATCHED)
    assert np.isinf(limits.centre).all()
    assert limits.limit(limits.nearest(100.0), 1) == math.inf


@pytest.mark.parametrize(("windows", "hours"), [(12, 1), (11, 1), (10, 0), (24, 2), (18, 1), (0, 0)])
def test_a_part_counts_only_when_it_is_nine_tenths_there(windows: int, hours: int) -> None:
    times: Floats = (np.arange(windows) + 1) * STEP
    ones = np.ones((windows, 1))
    mean, rows, ends = parts(times, ones, ones, 3_600.0) if windows else (np.zeros((0, 1)), np.zeros((0, 1)), times)
    assert len(mean) == len(rows) == len(ends) == hours
    assert ends.tolist() == [3_600.0 * (place + 1) for place in range(hours)]
