from __future__ import annotations

import math

import numpy as np
import pytest

from atlas_ops.detect.batch import BLOCKS, LEAST_PARTS, RATE, Limits, by_blocks, effective, parts
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.windows import STEP, Windows, observe

WATCHED = [Statistic(feature=f"f{place}", name="share of 00", weights=(1.0, 0.0)) for place in range(10)]
EACH = 100
"""Rows of a block."""


def blocks(chance: np.random.Generator, count: int, wander: float) -> Windows:
    """Return blocks of rows of which about half lie in the first bin: a level that wanders over some ten blocks, in standard deviations."""
    level = np.zeros((count, len(WATCHED)))
    for place in range(1, count):
        level[place] = 0.9 * level[place - 1] + wander * math.sqrt(1 - 0.81) * chance.normal(size=len(WATCHED))
    return drawn(chance, level)


def drawn(chance: np.random.Generator, level: Floats) -> Windows:
    first = chance.binomial(EACH, np.clip(0.5 + 0.5 * level, 0, 1))
    counts = {one.feature: np.stack([own, EACH - own], axis=1) for one, own in zip(WATCHED, first.T, strict=True)}
    return Windows(times=np.arange(1, len(level) + 1) * STEP, counts=counts)


def found(reference: Windows, live: Windows, limits: Limits) -> bool:
    then, now = (
        observe(
            Windows(one.times[:1], {name: counts.sum(axis=0)[None] for name, counts in one.counts.items()}), WATCHED
        )
        for one in (reference, live)
    )
    alike = effective(now.rows, then.rows)
    place = limits.nearest(float(alike.max()))
    z = (now.values - then.values) / limits.spread.deviation(place, alike)
    return bool((np.abs(z) >= limits.limit(place, 1)).any())


def share_found(wander: float, shift: float, rounds: int = 60) -> float:
    chance = np.random.default_rng(7)
    times = 0
    for _ in range(rounds):
        whole = blocks(chance, BLOCKS + 32, wander)
        reference, live = (
            Windows(whole.times[cut], {name: counts[cut] for name, counts in whole.counts.items()})
            for cut in (slice(BLOCKS), slice(BLOCKS, None))
        )
        live.counts["f0"][:] += np.array([1, -1]) * round(0.5 * shift * EACH)
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


def test_what_was_furthest_counts_wherever_it_begins() -> None:
    """A day of eight blocks that lies in two parts is as far from the others as one that is a part."""
    found = []
    for begins in (120, 124):
        level = np.zeros((BLOCKS, len(WATCHED)))
        level[begins : begins + 8] = 0.3
        found.append(by_blocks(drawn(np.random.default_rng(3), level), WATCHED).greatest[3])
    assert found[1] >= 0.8 * found[0]


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
