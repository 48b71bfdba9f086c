"""What was begun and never finished counts; what still runs does not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.settled import MAX_KEYS, WINDOW_SECONDS, Settled


def settle(*steps: tuple[float, float]) -> list[float]:
    """What is told after (seconds, difference) steps."""
    now = [0.0]
    settled = Settled(lambda: now[0])
    told = []
    for when, difference in steps:
        now[0] = when
        told.append(settled.settle("m", difference))
    return told


def test_what_is_there_at_the_first_look_counts() -> None:
    assert settle((0, 63)) == [63]


def test_a_burst_that_finishes_within_the_window_counts_nothing() -> None:
    assert settle((0, 0), (5, 40), (10, 64), (30, 12), (50, 0)) == [0, 0, 0, 0, 0]


def test_what_is_left_after_the_window_counts() -> None:
    assert settle((0, 0), (5, 7), (10, 7), (10 + WINDOW_SECONDS, 7))[-1] == 7


def test_made_up_names_fill_no_memory_and_those_that_are_still_asked_for_stay() -> None:
    now = [0.0]
    settled = Settled(lambda: now[0])
    settled.settle("real", 7)
    for number in range(3 * MAX_KEYS):
        settled.settle(f"made up {number}", 1)
        assert settled.settle("real", 0) == 7
    assert len(settled._known) <= MAX_KEYS


def test_what_ran_at_the_first_look_hides_no_failure() -> None:
    assert settle((0, 10), (5, 0), (10, 3), (10 + WINDOW_SECONDS, 3), (15 + WINDOW_SECONDS, 3))[-1] == 13


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 100)), min_size=1))
def test_it_never_falls_and_never_exceeds_what_was_left_beyond_the_first_look(steps: list[tuple[float, int]]) -> None:
    when, timed = 0.0, []
    for pause, difference in steps:
        when += pause
        timed.append((when, float(difference)))
    told = settle(*timed)
    assert told == sorted(told)
    assert all(value <= timed[0][1] + max(difference for _, difference in timed) for value in told)
