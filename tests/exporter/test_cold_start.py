"""A cold start is measured where both of its ends were seen, and never made up."""

from __future__ import annotations

from atlas_ops.exporter.cold_start import UNSEEN_SECONDS, ColdStart

NOW = 1_800_000_000.0


def seconds(*looks: tuple[float, bool, float | None]) -> float | None:
    """The cold start after looks of (seconds from now, ready, when the process began in seconds from now)."""
    start = ColdStart()
    for when, ready, began in looks:
        start.observe(ready=ready, began=None if began is None else NOW + began, now=NOW + when)
    return start.seconds


def test_it_lasts_from_the_start_of_the_process_to_the_first_ready_answer() -> None:
    assert seconds((0, False, None), (60, False, None), (95, True, -5)) == 100


def test_a_restart_is_measured_anew() -> None:
    assert seconds((0, False, None), (50, True, 0), (100, True, 0), (200, False, None), (290, True, 210)) == 80


def test_a_server_that_was_ready_at_the_first_look_tells_nothing() -> None:
    assert seconds((0, True, -30), (60, True, -30)) is None


def test_a_server_that_was_away_for_a_moment_did_not_start() -> None:
    assert seconds((0, True, -86_400), (60, False, None), (65, True, -86_400)) is None
    assert seconds((0, False, None), (5, True, -UNSEEN_SECONDS - 1)) is None


def test_a_process_that_was_ready_before_is_not_starting_when_it_is_away_soon_after() -> None:
    assert seconds((0, False, None), (60, True, 0), (90, False, None), (95, True, 1)) == 60
    assert seconds((0, True, -30), (60, False, None), (65, True, -30)) is None


def test_without_a_start_time_there_is_no_cold_start() -> None:
    assert seconds((0, False, None), (60, True, None)) is None


def test_a_clock_that_is_ahead_makes_none_below_zero() -> None:
    assert seconds((0, False, None), (60, True, 3600)) is None


def test_the_measured_time_stays_while_the_server_runs() -> None:
    assert seconds((0, False, None), (60, True, 0), (600, True, 0), (700, False, None), (720, True, 0)) == 60
