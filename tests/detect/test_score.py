from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from atlas_ops.detect.calibration import Calibration, calibrate, return_level
from atlas_ops.detect.course import drifted
from atlas_ops.detect.distances import smoothed
from atlas_ops.detect.features import Category, Numeric
from atlas_ops.detect.score import by_feature, moved, score
from atlas_ops.detect.season import season
from atlas_ops.detect.statistics import Statistic, statistics
from atlas_ops.detect.windows import Observed, Windows, observe

DAY = 288
LENGTH = Numeric(name="length", edges=tuple(float(edge) for edge in range(11)))
KIND = Category(name="kind", names=("chat", "code"))
_SHAPE = np.array([*([0.1] * 10), 0, 0, 0])


def world(days: int, *, seed: int = 1, shift_from: int = 10**9, share: float = 0.25, rhythm: float = 0.3) -> Windows:
    """A model with a day's rhythm; from a window on, a share of the requests has the longest length."""
    chance = np.random.default_rng(seed)
    size = days * DAY
    hours = np.arange(size) % DAY / 12
    rows = chance.poisson(60 * (1 + 0.5 * np.sin(2 * np.pi * hours / 24)))
    tilt = rhythm * np.sin(2 * np.pi * hours / 24)[:, None] * np.linspace(-0.1, 0.1, 10)
    shares = np.tile(_SHAPE, (size, 1))
    shares[:, :10] += tilt
    late = np.arange(size) >= shift_from
    shares[late] *= 1 - share
    shares[late, 9] += share
    kinds = chance.multinomial(rows, [0.7, 0.3])
    return Windows(
        times=(np.arange(size) + 1.0) * 300,
        counts={
            "length": chance.multinomial(rows, shares).astype(np.int64),
            "kind": np.hstack([kinds, np.zeros((size, 3), dtype=np.int64)]).astype(np.int64),
        },
    )


def watched(windows: Windows) -> tuple[Statistic, ...]:
    return tuple(
        one
        for feature in (LENGTH, KIND)
        for one in statistics(feature, smoothed(windows.counts[feature.name].sum(axis=0)))
    )


def fitted(days: int = 28, rhythm: float = 0.3) -> tuple[Calibration, tuple[Statistic, ...]]:
    history = world(days, rhythm=rhythm)
    seen = watched(history)
    return calibrate(observe(history, seen), seen), seen


def over(scores: NDArray[np.float64], calibration: Calibration) -> bool:
    return bool(drifted(scores[DAY:], calibration.page).any())


def test_quiet_traffic_is_quiet_and_a_shift_is_found_and_named() -> None:
    calibration, seen = fitted()
    quiet = observe(world(7, seed=2), seen)
    assert not over(score(quiet, calibration).score, calibration)
    shifted = observe(world(3, seed=3, shift_from=2 * DAY), seen)
    scores = score(shifted, calibration)
    assert not over(scores.score[: 2 * DAY], calibration)
    assert scores.score[-1] > calibration.page
    found = moved(shifted, scores, calibration, seen)
    first = found["length"][0]
    assert list(found) == ["length"]
    assert first.value > first.usual
    assert first.score >= first.limit
    assert first.since == by_feature(scores, calibration, seen)["length"]["seasonal"].rising_since
    assert moved(quiet, score(quiet, calibration), calibration, seen) == {}


@pytest.mark.parametrize("each", [0, 1, 60])
def test_what_never_varied_is_drift_when_it_does_and_what_never_had_rows_is_not_judged(each: int) -> None:
    def kinds(days: int, shift_from: int) -> Windows:
        counts = np.zeros((days * DAY, 5), dtype=np.int64)
        late = np.arange(days * DAY) >= shift_from
        counts[~late, 0], counts[late, 1] = each, each
        return Windows(times=(np.arange(days * DAY) + 1.0) * 300, counts={"kind": counts})

    history = kinds(14, 10**9)
    seen = statistics(KIND, smoothed(history.counts["kind"].sum(axis=0)))
    calibration = calibrate(observe(history, seen), seen)
    found = drifted(score(observe(kinds(3, 2 * DAY), seen), calibration).score, calibration.page)
    assert not found[: 2 * DAY].any()
    assert found[-1] == (each > 0)
    assert math.isinf(calibration.page) == (each == 0)


def test_the_rhythm_of_the_day_is_no_drift() -> None:
    calibration, seen = fitted()
    observed = observe(world(7, seed=5), seen)
    flat = Calibration(
        season=season(
            observed.times, np.tile(observed.values.mean(axis=0), (len(observed.times), 1)), observed.rows[:, 0]
        ),
        spread=calibration.spread,
        page=calibration.page,
        ticket=calibration.ticket,
        days=calibration.days,
    )
    assert score(observed, flat).score.max() > 1.5 * score(observed, calibration).score.max()


def test_gaps_and_windows_without_rows_score_nothing() -> None:
    calibration, seen = fitted()
    windows = world(2, seed=4)
    for counts in windows.counts.values():
        counts[100:400] = 0
    scores = score(observe(windows, seen), calibration)
    assert np.isfinite(scores.score).all()
    assert not over(scores.score, calibration)
    nothing = Windows(times=windows.times, counts={name: counts * 0 for name, counts in windows.counts.items()})
    assert score(observe(nothing, seen), calibration).score.max() == 0


def test_one_value_of_a_category_that_was_never_there_is_no_drift_but_many_are() -> None:
    calibration, seen = fitted()
    one, many = world(2, seed=6), world(2, seed=6)
    one.counts["kind"][400, 3] += 1
    many.counts["kind"][400:, 3] += 5
    assert not over(score(observe(one, seen), calibration).score, calibration)
    assert over(score(observe(many, seen), calibration).score, calibration)


def test_less_than_two_weeks_are_no_ground_for_a_page() -> None:
    assert not fitted(9)[0].pages
    assert fitted(14)[0].pages


def test_counts_of_any_size_have_a_finite_score() -> None:
    calibration, seen = fitted()
    windows = world(2, seed=8)
    huge = Windows(times=windows.times, counts={name: counts * 10**9 for name, counts in windows.counts.items()})
    assert np.isfinite(score(observe(huge, seen), calibration).score).all()


def test_each_feature_has_its_own_score_and_the_greatest_is_that_of_all() -> None:
    calibration, seen = fitted()
    scores = score(observe(world(4, seed=3, shift_from=2 * DAY), seen), calibration)
    found = by_feature(scores, calibration, seen)
    assert list(found) == ["length", "kind"]
    assert all(found["length"][detector].now and not found["kind"][detector].now for detector in ("seasonal", "slow"))
    rising = found["length"]["seasonal"].rising_since
    assert rising is not None
    assert 2 * DAY * 300 - 3600 <= rising <= 2 * DAY * 300 + 3600
    greatest = np.maximum(found["length"]["seasonal"].share, found["kind"]["seasonal"].share)
    assert np.allclose(greatest * calibration.page, scores.score)


def test_the_slower_chart_is_cut_by_the_clock_and_not_by_where_the_windows_begin() -> None:
    calibration, seen = fitted()
    observed = observe(world(3, seed=3, shift_from=DAY), seen)
    later = Observed(observed.times[5:], observed.values[5:], observed.rows[5:])
    assert score(observed, calibration).chart[-1] == pytest.approx(score(later, calibration).chart[-1], rel=0.02)
    changes = np.flatnonzero(np.diff(score(later, calibration).chart))
    assert set(later.times[changes + 1] % 3600) == {0.0}


def test_the_slower_chart_clears_within_a_day_of_the_end_of_a_long_drift() -> None:
    calibration, seen = fitted()
    live, quiet = world(8, seed=3, shift_from=0), world(8, seed=4)
    for name, counts in live.counts.items():
        counts[6 * DAY :] = quiet.counts[name][6 * DAY :]
    slow = by_feature(score(observe(live, seen), calibration), calibration, seen)["length"]["slow"]
    assert slow.found[6 * DAY]
    assert not slow.found[7 * DAY :].any()


def test_the_return_level_is_reached_as_often_as_it_says() -> None:
    maxima = np.random.default_rng(3).gumbel(4.0, 0.5, 20_000)
    level = return_level(maxima, 100)
    assert 0.007 < (maxima > level).mean() < 0.013
    assert return_level(np.array([3.0]), 100) == math.inf


def test_observed_values_are_means_over_rows() -> None:
    windows = Windows(times=np.array([300.0]), counts={"kind": np.array([[3, 1, 0, 0, 0]])})
    (first, *_) = statistics(KIND, np.full(5, 0.2))
    observed = observe(windows, [first])
    assert isinstance(observed, Observed)
    assert (observed.values[0, 0], observed.rows[0, 0]) == (0.75, 4)


def test_a_width_is_that_within_a_window_whatever_the_mean_does() -> None:
    chance = np.random.default_rng(1)
    low, high = (
        chance.multinomial(200, [*shares, 0, 0, 0], 500) for shares in ([0.25] * 4 + [0] * 6, [0] * 6 + [0.25] * 4)
    )
    width = next(one for one in statistics(LENGTH, _SHAPE) if one.name == "scale")
    windows = Windows((np.arange(1000) + 1) * 300.0, {"length": np.concatenate([low, high])})
    observed = observe(windows, [width])
    assert observed.values[:500].mean() == pytest.approx(observed.values[500:].mean(), rel=0.03)
    assert observed.values.mean() < 0.3
    single = Windows(np.array([300.0]), {"length": np.eye(13, dtype=np.int64)[:1]})
    assert observe(single, [width]).rows[0, 0] == 0
