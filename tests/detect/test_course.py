from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.detect.course import CLEAR_SHARE, course, drifted


def test_a_verdict_lasts_until_the_score_is_well_below_the_limit() -> None:
    scores = np.array([1.0, 5.0, 4.0, 3.6, 3.4, 4.0, 5.0])
    assert drifted(scores, 5.0).tolist() == [0, 1, 1, 1, 0, 0, 1]


def test_drift_says_since_when_and_when_it_began_to_rise() -> None:
    times = np.arange(1, 9) * 300.0
    found = course(times, np.array([6.0, 1.0, 2.6, 4.0, 5.0, 3.6, 4.0, 5.0]), 5.0)
    assert found.rising_since == 600.0
    over = course(times, np.array([6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 1.0]), 5.0)
    assert (over.now, over.rising_since) == (False, None)


@given(st.lists(st.floats(0, 1e12), max_size=60), st.one_of(st.floats(0.1, 1e6), st.just(float("inf"))))
def test_drift_is_found_from_the_limit_on_and_never_while_the_score_is_far_below_it(
    values: list[float], limit: float
) -> None:
    scores, times = np.array(values), np.arange(1, len(values) + 1) * 300.0
    found = course(times, scores, limit)
    assert ((found.found > 0) | (scores < limit)).all()
    assert not ((found.found > 0) & (scores < CLEAR_SHARE * limit * 0.999)).any()
    if found.now:
        assert found.rising_since is not None
        last = np.flatnonzero(np.diff(found.found, prepend=0.0) > 0)[-1]
        assert times[0] - 300 <= found.rising_since <= times[last] - 300
