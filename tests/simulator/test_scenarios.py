"""Every fault shows its signature on the native pages of the servers and of the GPUs, and goes away again."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.simulator import SCENARIOS, Fleet, reasons, scenario_by_name
from atlas_ops.simulator.profiles import profile_by_name

from .pages import finished, kv_usage, preemptions, running, seconds, slow_starts, tokens, waiting

SEEDS = (1, 2)
CALM_SECONDS = 20
THERMAL = reasons.HW_THERMAL | reasons.SW_THERMAL
SM_CLOCK_MHZ = profile_by_name("h100").sm_clock_mhz


def calm_fleet(name: str, seed: int) -> Fleet:
    """Return a fleet some seconds before its fault."""
    fleet = Fleet(scenario=scenario_by_name(name), seed=seed)
    fleet.advance(CALM_SECONDS)
    return fleet


def predicted_wait(pages: list[str]) -> float:
    """Return waiting requests by the rate at which requests finish over these pages, one a second (Little's law)."""
    return waiting(pages[-1]) * (len(pages) - 1) / max(1e-9, finished(pages[-1]) - finished(pages[0]))


def test_no_server_becomes_one_of_another_runtime() -> None:
    for scenario in SCENARIOS:
        effects = (scenario.calm, *(phase.effect for phase in scenario.course))
        for index in range(scenario.servers):
            assert len({effect.server(index).runtime for effect in effects}) == 1, scenario.name


@pytest.mark.parametrize("seed", SEEDS)
def test_calm_is_calm(seed: int) -> None:
    fleet = Fleet(seed=seed)
    fleet.set_fault(active=True)  # which must be no fault at all
    pages, seen = [], 0
    for _ in range(60):
        pages += seconds(fleet, 1)
        seen |= fleet.gpus()[0].reasons
    assert max(kv_usage(page) for page in pages) < 0.6
    assert preemptions(pages[-1]) == 0
    assert sum(waiting(page) == 0 for page in pages) > 50
    assert slow_starts(pages[-1], "1.0") <= 0.01 * finished(pages[-1])
    assert seen & ~(reasons.IDLE | reasons.SW_POWER_CAP) == 0
    assert finished(pages[-1]) > 150


@pytest.mark.parametrize("seed", SEEDS)
def test_kv_pressure_fills_the_cache_and_preempts_while_others_wait(seed: int) -> None:
    fleet = calm_fleet("kv_pressure", seed)
    fleet.set_fault(active=True)
    onset = seconds(fleet, 20)
    assert kv_usage(onset[14]) > 0.9
    pages = seconds(fleet, 30)
    assert sum(kv_usage(page) for page in pages) / 30 > 0.95
    assert all(preemptions(later) > preemptions(now) for now, later in zip(pages, pages[6:], strict=False))
    assert sum(waiting(page) for page in pages) / 30 > 5
    assert max(running(page) for page in pages) < fleet.config.max_num_seqs  # the cache is what runs out, not the slots
    fleet.set_fault(active=False)
    after = seconds(fleet, 30)
    assert preemptions(after[-1]) == preemptions(after[20])
    assert kv_usage(after[-1]) < 0.6
    assert waiting(after[-1]) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_queue_backlog_makes_new_requests_wait_though_the_cache_has_room(seed: int) -> None:
    fleet = calm_fleet("queue_backlog", seed)
    fleet.set_fault(active=True)
    pages = seconds(fleet, 60)
    assert predicted_wait(pages[9:16]) > 15
    assert all(predicted_wait(pages[second - 6 : second + 1]) > 15 for second in range(16, 60))
    assert min(running(page) for page in pages[15:]) >= fleet.config.max_num_seqs - 4
    assert max(kv_usage(page) for page in pages) < 0.6
    assert preemptions(pages[-1]) == 0
    fleet.set_fault(active=False)
    after = seconds(fleet, 30)
    assert predicted_wait(after[19:26]) < 10
    assert waiting(after[-1]) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_thermal_throttling_slows_the_server_of_the_hot_gpu_and_no_other(seed: int) -> None:
    fleet = calm_fleet("thermal_throttling", seed)
    before = tokens(fleet.page(0)) / max(1, running(fleet.page(0)))
    assert before > 0
    fleet.set_fault(active=True)
    fleet.advance(12)
    slow, fast = [], []
    for _ in range(40):
        fleet.advance(1)
        hot, cool = fleet.gpus()
        assert hot.reasons & THERMAL
        assert hot.sm_clock_mhz < 0.6 * SM_CLOCK_MHZ
        assert cool.reasons & THERMAL == 0
        slow.append(running(fleet.page(0)))
        fast.append(running(fleet.page(1)))
    # By Little's law, at the same rate of requests: each takes twice as long.
    assert sum(slow) > 1.5 * sum(fast)
    fleet.set_fault(active=False)
    fleet.advance(10)
    assert fleet.gpus()[0].reasons & THERMAL == 0
    assert fleet.gpus()[0].sm_clock_mhz > 0.9 * SM_CLOCK_MHZ


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stalled_engine_shows_frozen_gauges_and_no_progress_and_goes_on_when_mended(seed: int) -> None:
    fleet = calm_fleet("engine_stalled", seed)
    fleet.set_fault(active=True)
    fleet.advance(1)
    frozen, other = fleet.page(0), fleet.page(1)
    fleet.advance(59)
    assert running(frozen) > 0
    assert tokens(fleet.page(0)) == tokens(frozen)
    assert (running(fleet.page(0)), waiting(fleet.page(0))) == (running(frozen), waiting(frozen))
    assert tokens(fleet.page(1)) > tokens(other)
    assert [gpu.utilization_ratio > 0 for gpu in fleet.gpus()] == [False, True]
    fleet.set_fault(active=False)
    after = seconds(fleet, 15)
    assert tokens(after[1]) > tokens(frozen)
    assert waiting(after[-1]) <= 2
    assert preemptions(after[-1]) == 0


def test_scenarios_are_told_apart_and_calm_raises_nothing() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))
    assert scenario_by_name("calm").expected_fault is None


def test_every_fault_but_the_watchdog_has_a_scenario_and_every_other_but_calm_looks_like_a_fault() -> None:
    expected = {fault.name: fault.scenario for fault in build_catalog().faults if fault.name != "Watchdog"}
    assert {fault: scenario_by_name(name).expected_fault for fault, name in expected.items() if name} == {
        fault: fault for fault in expected
    }
    for scenario in SCENARIOS:
        named = {scenario.expected_fault, *scenario.look_alike_of, *scenario.companions} - {None}
        assert named <= set(expected), scenario.name
        assert named or scenario.name == "calm"
        assert not (scenario.expected_fault and scenario.look_alike_of), scenario.name


def test_every_fault_but_the_watchdog_has_a_scenario_that_only_looks_like_it() -> None:
    looked_like = {fault for scenario in SCENARIOS for fault in scenario.look_alike_of}
    # The watchdog fires always: nothing can look like it.
    assert {fault.name for fault in build_catalog().faults} - looked_like == {"Watchdog"}


def test_what_a_scenario_touches_are_the_servers_and_gpus_that_it_treats_unlike_the_others() -> None:
    assert scenario_by_name("engine_stalled").touched == {0}
    assert scenario_by_name("xid_hardware").touched == {0}
    assert scenario_by_name("cold_start_slow").touched == {2}
    assert scenario_by_name("canary_regression").touched == {1}
    assert scenario_by_name("kv_pressure").touched == frozenset()
    assert scenario_by_name("cost_per_token_spike").touched == frozenset()
