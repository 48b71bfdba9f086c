from __future__ import annotations

import numpy as np
import pytest

from atlas_ops.detect.statistics import Floats
from atlas_ops.drift.labels.intervals import Sums, difference, share, spread, stated, wander, wilson


def shares(hits: Floats, of: Floats) -> Sums:
    return Sums(total=hits, squares=hits, of=of)


def days(
    chance: np.random.Generator, count: int, each: int, *, deviation: float, level: float = 0.9
) -> tuple[Sums, Sums]:
    """Return a share by hour and by day, whose level differs from day to day."""
    levels = np.repeat(np.clip(level + chance.normal(0, deviation, count), 0, 1), 24)
    of = np.full(24 * count, each / 24)
    hours = shares(chance.binomial(each // 24, levels).astype(np.float64), of)
    return hours, hours.gathered(np.arange(24 * count) // 24)


def test_wilsons_interval_is_that_of_the_printed_examples() -> None:
    # Newcombe 1998, Table I: 81 of 263, and 0 of 20, at 95 %.
    assert wilson(81 / 263, 263, 1.959964) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20, 1.959964) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_the_interval_of_a_difference_is_that_of_the_printed_example() -> None:
    # Newcombe 1998, Table II, method 10: 56/70 - 48/80 has 0.0524 to 0.3339.
    one, other = (shares(np.array([hits]), np.array([of])) for hits, of in ((56.0, 70.0), (48.0, 80.0)))
    estimates = [share(sums, spread(sums, sums)) for sums in (one, other)]
    assert difference(estimates[0], estimates[1], 0.975) == pytest.approx((0.0524, 0.3339), abs=0.006)


@pytest.mark.parametrize("deviation", [0.0, 0.02])
def test_an_interval_of_four_weeks_holds_the_truth_as_often_as_it_says(deviation: float) -> None:
    chance = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        hours, daily = days(chance, 28, 2400, deviation=deviation)
        low, high = share(hours, spread(hours, daily)).interval
        held += low <= 0.9 <= high
    assert 0.91 <= held / 300 <= 0.99


def test_a_plain_interval_would_not_hold_it_where_days_differ() -> None:
    chance = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        hours, _ = days(chance, 28, 2400, deviation=0.02)
        low, high = wilson(hours.mean, float(hours.of.sum()), 1.96)
        held += low <= 0.9 <= high
    assert held / 200 < 0.7


def test_one_day_has_the_spread_between_the_days_of_a_longer_time() -> None:
    chance = np.random.default_rng(2)
    hours, daily = days(chance, 28, 2400, deviation=0.03)
    usual = spread(hours, daily)
    assert wander(daily) == pytest.approx(0.03**2, rel=0.6)
    one, whole = days(chance, 1, 2400, deviation=0.0)
    alone, known = spread(one, whole), spread(one, whole, usual)
    assert known.variance > 5 * alone.variance
    assert known.variance == pytest.approx(usual.wander + one.per_label / 2400, rel=0.01)


def test_a_stated_number_has_no_doubt() -> None:
    hits = shares(np.array([90.0]), np.array([100.0]))
    live = share(hits, spread(hits, hits))
    low, high = difference(stated(0.95), live, 0.975)
    assert (low, high) == pytest.approx((0.95 - live.interval[1], 0.95 - live.interval[0]))
