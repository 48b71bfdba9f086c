"""A release fails where it is worse with certainty, passes where an effect is excluded, and otherwise more runs are asked for."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atlas_ops.detect.gate import FEWEST_RUNS, Comparison, Levels, Limits, Sample, Verdict, compare, overall, quantiles
from atlas_ops.detect.student import t_quantile

LIMITS = Limits(margin=math.log(1.05), detect=math.log(1.2))
SPREAD = (-1.2, -0.7, -0.3, 0.0, 0.3, 0.7, 1.2, 0.1)


def side(level: float, noise: float, runs: int = 8, floor: float = 0.0) -> Sample:
    return Sample(values=tuple(level + noise * step for step in SPREAD[:runs]), floor=floor)


def compared(change: float, noise: float, runs: int = 8, levels: Levels | None = None) -> Comparison:
    return compare(side(0, noise, runs), side(change, noise, runs), LIMITS, levels or Levels())


@pytest.mark.parametrize(
    ("change", "noise", "expected"),
    [
        (0.0, 0.03, Verdict.PASS),
        (-0.5, 0.03, Verdict.PASS),
        (math.log(1.2), 0.03, Verdict.FAIL),
        (0.0, 0.5, Verdict.CANNOT_TELL),
        (math.log(1.2), 0.5, Verdict.CANNOT_TELL),
    ],
)
def test_the_verdict_follows_from_change_and_noise(change: float, noise: float, expected: Verdict) -> None:
    assert compared(change, noise).verdict is expected


def test_the_bounds_are_those_of_a_t_test_with_equal_sides() -> None:
    found = compared(0.1, 0.05, levels=Levels(fail=0.01, passing=0.05))
    error = 0.05 * statistics.stdev(SPREAD) * math.sqrt(2 / 8)
    assert found.change == pytest.approx(0.1)
    assert found.lower == pytest.approx(0.1 - t_quantile(0.99, 14) * error)
    assert found.upper == pytest.approx(0.1 + t_quantile(0.95, 14) * error)


def test_a_noisy_side_has_the_degrees_of_freedom_to_itself() -> None:
    # Welch: the quiet side tells nothing of the spread, so they are those of the noisy one alone.
    found = compare(side(0, 1e-6), side(0, 0.05, runs=5), LIMITS, Levels(fail=0.01, passing=0.05))
    error = 0.05 * statistics.stdev(SPREAD[:5]) / math.sqrt(5)
    assert found.upper - found.change == pytest.approx(t_quantile(0.95, 4) * error, rel=1e-4)


def test_below_five_runs_there_is_never_a_verdict_however_clear_it_looks() -> None:
    for runs in range(2, FEWEST_RUNS):
        found = compared(1.0, 1e-6, runs)
        assert (found.verdict, found.needed) == (Verdict.CANNOT_TELL, FEWEST_RUNS - runs)
    assert compared(1.0, 1e-6, FEWEST_RUNS).verdict is Verdict.FAIL


def test_equal_values_are_no_proof_of_no_noise_where_they_are_rounded() -> None:
    same, higher = Sample(values=(0.0,) * 5, floor=0.05), Sample(values=(0.1,) * 5, floor=0.05)
    assert compare(same, higher, LIMITS, Levels()).verdict is not Verdict.FAIL
    exact, exact_higher = Sample(values=(0.0,) * 5), Sample(values=(0.1,) * 5)
    assert compare(exact, exact_higher, LIMITS, Levels()).verdict is Verdict.FAIL


def test_more_noise_needs_more_runs_and_too_much_is_said() -> None:
    needed = [compared(0.0, noise, 5).needed for noise in (0.15, 0.3, 0.6)]
    assert None not in needed
    assert needed == sorted(needed, key=lambda count: count or 0)
    assert len(set(needed)) == 3
    assert compared(0.0, 20.0, 5).needed is None


def test_the_runs_that_are_asked_for_bring_a_verdict_if_all_goes_on_as_before() -> None:
    found = compared(0.0, 0.4, 5)
    assert found.needed
    runs = 5 + found.needed
    error = found.deviation * math.sqrt(2 / runs)
    assert found.change + t_quantile(0.95, 2 * (runs - 1)) * error < LIMITS.detect


def test_more_metrics_and_more_looks_widen_the_bounds() -> None:
    one, many, often = (compared(0.1, 0.05, levels=Levels.shared(*counts)) for counts in ((1, 1), (12, 1), (12, 4)))
    assert one.lower > many.lower > often.lower
    # A pass takes all metrics, so only looks cost it anything.
    assert one.upper == many.upper < often.upper


@given(
    baseline=st.lists(st.floats(-5, 5), min_size=5, max_size=9),
    canary=st.lists(st.floats(-5, 5), min_size=5, max_size=9),
    shift=st.floats(0, 3),
)
def test_a_slower_canary_is_never_judged_better(baseline: list[float], canary: list[float], shift: float) -> None:
    assume(min(statistics.pvariance(baseline), statistics.pvariance(canary)) > 1e-6)
    rank = [Verdict.PASS, Verdict.CANNOT_TELL, Verdict.FAIL]
    fast, slow = (
        compare(Sample(values=tuple(baseline)), Sample(values=tuple(one + more for one in canary)), LIMITS, Levels())
        for more in (0.0, shift)
    )
    assert rank.index(slow.verdict) >= rank.index(fast.verdict)
    assert fast.lower <= fast.change <= fast.upper


def test_where_noise_is_large_against_the_margin_a_fail_has_to_be_surer_than_above_it() -> None:
    tight = Limits(margin=1e-6, detect=1.0)
    error = 0.05 * statistics.stdev(SPREAD) * math.sqrt(2 / 8)
    change = error * (t_quantile(0.95, 14) + t_quantile(0.99, 14)) / 2
    for same, expected in ((0.05, Verdict.FAIL), (0.01, Verdict.CANNOT_TELL)):
        levels = Levels(same=same, fail=0.05, passing=0.05)
        assert compare(side(0, 0.05), side(change, 0.05), tight, levels).verdict is expected


@pytest.mark.parametrize(
    ("change", "noise", "wrong", "most"),
    [
        (0.0, 0.03, Verdict.FAIL, 0.01),
        (0.0, 0.06, Verdict.FAIL, 0.01),
        (0.0, 0.3, Verdict.FAIL, 0.01),
        (LIMITS.margin, 0.03, Verdict.FAIL, 0.05),
        (LIMITS.detect, 0.03, Verdict.PASS, 0.05),
        (LIMITS.detect, 0.3, Verdict.PASS, 0.05),
    ],
)
def test_wrong_verdicts_are_as_rare_as_is_said(change: float, noise: float, wrong: Verdict, most: float) -> None:
    trials, runs = 600, 6
    chance = np.random.default_rng(8)
    found = [
        compare(Sample(values=tuple(old)), Sample(values=tuple(new)), LIMITS, Levels()).verdict
        for old, new in zip(
            chance.normal(0, noise, (trials, runs)), chance.normal(change, noise, (trials, runs)), strict=True
        )
    ]
    # Three standard deviations of so many trials.
    assert found.count(wrong) / trials <= most + 3 * math.sqrt(most / trials)


def test_one_fail_is_enough_and_a_pass_takes_all() -> None:
    assert overall([Verdict.PASS, Verdict.CANNOT_TELL, Verdict.FAIL]) is Verdict.FAIL
    assert overall([Verdict.PASS, Verdict.CANNOT_TELL]) is Verdict.CANNOT_TELL
    assert overall([Verdict.PASS, Verdict.PASS]) is Verdict.PASS
    assert overall([]) is Verdict.CANNOT_TELL


def test_quantiles_lie_between_neighbours() -> None:
    assert quantiles([4.0, 1.0, 2.0, 3.0], (0.0, 0.5, 1.0)) == (1.0, 2.5, 4.0)
