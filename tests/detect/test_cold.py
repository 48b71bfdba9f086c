from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.detect.cold import COLD_PSI, LEAST_ROWS_EACH, cold, in_weekends
from atlas_ops.detect.distances import distances, smoothed
from atlas_ops.detect.windows import STEP, Windows

DAY = 288
BINS = 5
SHARES = np.array([0.4, 0.3, 0.2, 0.1, 0.0])
OTHER = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
REFERENCE = {"kind": (SHARES * 100_000).astype(np.int64)}


def windows(size: int, each: float, *, shift_from: int = 10**9, seed: int = 1) -> Windows:
    chance = np.random.default_rng(seed)
    late = np.arange(size)[:, None] >= shift_from
    counts = chance.multinomial(chance.poisson(each, size), np.where(late, OTHER, SHARES))
    return Windows(times=(np.arange(size) + 1) * STEP, counts={"kind": counts.astype(np.int64)})


def test_a_day_of_other_shares_is_drift_and_a_quiet_one_is_not() -> None:
    found = cold(windows(4 * DAY, 20, shift_from=2 * DAY), REFERENCE)["kind"]
    assert found.share[: 2 * DAY].max() < 0.5
    assert found.now
    assert found.rising_since is not None
    assert 2 * DAY * STEP < found.rising_since < 3 * DAY * STEP


def test_its_score_is_the_corrected_psi_of_the_last_day_as_a_share_of_the_limit() -> None:
    live = windows(3 * DAY, 20, shift_from=DAY)
    day = live.counts["kind"][-DAY:].sum(axis=0)
    expected = distances(day, smoothed(REFERENCE["kind"])).psi / COLD_PSI
    assert cold(live, REFERENCE)["kind"].share[-1] == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("rows", [LEAST_ROWS_EACH * BINS - 1, LEAST_ROWS_EACH * BINS])
def test_with_too_few_rows_it_says_nothing(rows: int) -> None:
    counts = np.zeros((DAY, BINS), dtype=np.int64)
    counts[0, 0], counts[-1, 3] = 1, rows - 1
    share = cold(Windows(np.arange(1, DAY + 1) * STEP, {"kind": counts}), REFERENCE)["kind"].share[-1]
    assert (share > 1) == (rows >= LEAST_ROWS_EACH * BINS)
    few = {"kind": (SHARES * 100).astype(np.int64)}
    assert cold(Windows(np.arange(1, DAY + 1) * STEP, {"kind": counts}), few)["kind"].share[-1] == 0


def test_the_first_day_of_traffic_says_nothing() -> None:
    live = windows(2 * DAY, 50, shift_from=0)
    live.counts["kind"][:100] = 0
    share = cold(live, REFERENCE)["kind"].share
    assert share[: 100 + DAY - 1].max() == 0
    assert share[100 + DAY - 1] > 1


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.lists(st.integers(0, 10**12), min_size=BINS, max_size=BINS), max_size=5),
    st.lists(st.integers(0, 10**12), min_size=BINS, max_size=BINS),
)
def test_counts_of_any_size_have_a_finite_score(rows: list[list[int]], reference: list[int]) -> None:
    counts = np.zeros((DAY + 5, BINS), dtype=np.int64)
    for place, row in enumerate(rows):
        counts[place * 60] = row
    live = Windows((np.arange(len(counts)) + 1) * STEP, {"kind": counts})
    share = cold(live, {"kind": np.array(reference, dtype=np.int64)})["kind"].share
    assert np.isfinite(share).all()
    assert (share >= 0).all()


def weeks(*, resting: bool) -> Windows:
    """Return two weeks from a Thursday on, in which weekends have other shares; `resting`: and so has the second Wednesday."""
    found = windows(14 * DAY, 20)
    day = np.arange(14 * DAY) // DAY
    found.counts["kind"][np.isin(day, [2, 3, 9, 10, *([13] if resting else [])])] = (OTHER * 20).astype(np.int64)
    return found


def test_a_weekend_that_is_like_the_weekends_of_the_reference_is_no_drift() -> None:
    history = Windows(weeks(resting=False).times[: 7 * DAY], {"kind": weeks(resting=False).counts["kind"][: 7 * DAY]})
    reference, free = {"kind": history.counts["kind"].sum(axis=0)}, in_weekends(history)
    assert cold(weeks(resting=False), reference, free)["kind"].share.max() < 0.5
    assert cold(weeks(resting=False), reference)["kind"].share.max() > 1
    assert cold(weeks(resting=True), reference, free)["kind"].now


def test_a_reference_that_has_seen_no_weekend_judges_them_by_its_other_days() -> None:
    live, none = weeks(resting=False), {"kind": np.zeros(BINS, dtype=np.int64)}
    assert cold(live, REFERENCE, none)["kind"].share.tolist() == cold(live, REFERENCE)["kind"].share.tolist()
