"""Shares that can only rise."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.detect import isotonic

COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30)


@given(COUNTS)
def test_shares_rise_and_all_that_was_bad_is_in_them(counts: list[tuple[int, int]]) -> None:
    bad = [min(pair) for pair in counts]
    of = [max(pair) for pair in counts]
    shares = isotonic.rising(bad, of)
    assert len(shares) == len(counts)
    assert all(one <= two + 1e-12 for one, two in pairwise(shares))
    assert sum(share * total for share, total in zip(shares, of, strict=True)) == pytest.approx(sum(bad))


def test_a_lucky_level_above_a_bad_one_does_not_keep_the_promise() -> None:
    bad, of = [0, 1, 0, 30, 0], [1_000, 1_000, 1_000, 1_000, 100]
    assert isotonic.kept_up_to(bad, of, 0.01) == 3


def test_a_level_without_observations_changes_nothing() -> None:
    assert isotonic.kept_up_to([0, 0, 5], [100, 0, 100], 0.01) == 2
    assert isotonic.kept_up_to([5, 0, 5], [100, 0, 100], 0.01) == 0
