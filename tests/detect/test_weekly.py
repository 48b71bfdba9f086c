"""An hour of the week that stands out every week is usual; what happened once, or by chance, is not."""

from __future__ import annotations

import numpy as np
import pytest

from atlas_ops.detect.batch import by_hour_of_week, parts
from atlas_ops.detect.calibration import calibrate
from atlas_ops.detect.score import residual
from atlas_ops.detect.season import HOUR, HOURS, WEEK, Season, hour
from atlas_ops.detect.statistics import Floats, Statistic
from atlas_ops.detect.weekly import LEAST_WEEKS, weekly
from atlas_ops.detect.windows import STEP, Observed

JOB = 75
"""Hour of the week in which the first of the statistics moves."""
WATCHED = [Statistic(feature=f"f{place}", name="location", weights=(1.0,)) for place in range(6)]
ROWS = 50.0


def history(weeks: int, jobs: int, *, seed: int = 1, size: float = 1.0) -> Observed:
    """Return weeks of chance, and in the first of them, up to `jobs`, the job of an hour."""
    chance = np.random.default_rng(seed)
    times = (np.arange(weeks * round(WEEK / STEP)) + 1) * STEP
    values = chance.normal(0, 1 / np.sqrt(ROWS), (len(times), len(WATCHED)))
    values[(hour(times) % HOURS == JOB) & (hour(times) // HOURS < jobs), 0] += size
    return Observed(times=times, values=values, rows=np.full(values.shape, ROWS))


def added(observed: Observed) -> Floats:
    return weekly(observed.times, observed.values, observed.rows[:, 0])


@pytest.mark.parametrize("weeks", [LEAST_WEEKS, 8])
def test_an_hour_that_stands_out_every_week_is_usual(weeks: int) -> None:
    found = added(history(weeks, weeks))
    assert np.argwhere(found).tolist() == [[JOB, 0]]
    assert found[JOB, 0] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("weeks", "jobs"), [(2, 2), (4, 1), (8, 4), (8, 0)])
def test_what_came_twice_or_in_some_weeks_alone_is_not(weeks: int, jobs: int) -> None:
    assert not added(history(weeks, jobs)).any()


def test_hours_without_traffic_count_in_no_week() -> None:
    observed = history(4, 4)
    rows = observed.rows[:, 0] * (hour(observed.times) // HOURS > 1)
    assert not weekly(observed.times, np.where(rows[:, None] > 0, observed.values, 0.0), rows).any()


def test_the_baseline_adds_it_to_the_windows_that_end_within_that_hour_alone() -> None:
    of_week = np.zeros((HOURS, 1))
    of_week[JOB] = 2.0
    times = JOB * HOUR + np.array([0.0, STEP, HOUR, HOUR + STEP]) + 3 * WEEK
    assert Season(np.ones((2, 24, 1)), of_week).at(times)[:, 0].tolist() == [1.0, 3.0, 3.0, 1.0]


def test_a_weekly_job_neither_is_drift_nor_hides_one() -> None:
    """Without it, what is usual on one day in five is what no weekday shows, and the limit of every hour is that of the job."""
    observed = history(4, 4)
    live = history(5, 5, seed=2)
    calibration, limits = calibrate(observed, WATCHED), by_hour_of_week(observed, WATCHED)
    mean, rows, _ = parts(live.times, residual(live, calibration), live.rows, HOUR)
    z = np.abs(mean / limits.spread.deviation(0, rows))
    assert z.max() < limits.limit(0, 24 * 3)
    assert limits.limit(0, 24 * 3) < 9
    assert limits.spread.deviation(0, rows)[0, 0] < 0.06
