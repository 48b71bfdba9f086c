"""A restart of a server is seen by every means that its page allows, and nothing else is taken for one."""

from __future__ import annotations

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.restarts import Restarts
from atlas_ops.exporter.samples import Sample, labels


def page(*, start: float | None = None, **tokens: float) -> list[Sample]:
    samples = [Sample(s.GENERATION_TOKENS, labels(server="s", model=model), value) for model, value in tokens.items()]
    samples += [Sample(s.REQUESTS_RUNNING, labels(server="s", model=model), -value) for model, value in tokens.items()]
    return samples if start is None else [*samples, Sample(s.SERVER_START_TIME, labels(server="s"), start)]


def restarts(*pages: list[Sample]) -> int:
    seen = Restarts("s")
    for samples in pages:
        seen.observe(samples)
    return seen.count


def test_a_server_that_runs_on_has_not_restarted() -> None:
    assert restarts(page(m=0), page(m=5), page(m=5), page(m=9)) == 0


def test_a_later_start_time_is_a_restart_even_when_the_counters_have_caught_up() -> None:
    assert restarts(page(start=100, m=5), page(start=160, m=7), page(start=160, m=9)) == 1


def test_a_start_time_that_wavers_by_fractions_of_a_second_is_none() -> None:
    assert restarts(page(start=100.0, m=5), page(start=100.4, m=5), page(start=100.1, m=6)) == 0


def test_counters_that_fall_are_a_restart_where_there_is_no_start_time() -> None:
    assert restarts(page(m=5), page(m=2), page(m=4), page(m=1)) == 2


def test_a_page_without_models_in_between_hides_no_restart() -> None:
    assert restarts(page(m=5), page(), page(m=0), page(m=9)) == 1


def test_one_model_that_is_loaded_again_is_no_restart_of_the_server() -> None:
    assert restarts(page(a=5, b=5), page(a=0, b=6), page(a=3, b=7)) == 0


def test_models_that_come_back_one_after_the_other_are_one_restart() -> None:
    assert restarts(page(a=5, b=5), page(a=0), page(a=1, b=0), page(a=2, b=1)) == 1


def test_the_sum_of_the_other_models_may_fall() -> None:
    assert restarts(page(other=50), page(other=5)) == 0


def test_a_clock_that_was_set_back_hides_no_restart() -> None:
    assert restarts(page(start=100, m=5), page(start=90, m=0), page(start=95, m=0)) == 2


def test_several_processes_behind_one_port_are_not_taken_for_a_crash_loop() -> None:
    one, other = page(start=100, m=60), page(start=90, m=230)
    assert restarts(one, other, one, one, other, one, other) == 1, "the first change cannot be told from a restart"


def test_made_up_counters_fill_no_memory() -> None:
    seen = Restarts("s")
    for number in range(30):
        seen.observe(page(**{f"m{number}_{n}": 1 for n in range(1_000)}))
    assert len(seen._counters) <= 11_000
