"""Everything that a scenario can say is carried out: each field of the records changes something that can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from atlas_ops.simulator import Fleet, Scenario
from atlas_ops.simulator.effects import Answer, AutoscalerEffect, Effect, GpuEffect, ServerEffect
from atlas_ops.simulator.scenario import Phase
from atlas_ops.simulator.scenarios.traffic import CALM

Changes = Mapping[str, Mapping[str, Any]]
"""{field: the changes that show it, others among them where it says nothing alone}."""

SERVER: Changes = {
    "answer": {"answer": Answer.HANGS},
    "stalled": {"stalled": True},
    "ready": {"ready": False},
    "slowness": {"slowness": 3.0},
    "slow_share": {"slow_share": 0.2},
    "slow_factor": {"slow_share": 0.2, "slow_factor": 2.0},
    "failing_share": {"failing_share": 0.2},
    "queue_limit": {"queue_limit": 0},
    "restart_every_minutes": {"restart_every_minutes": 0.2},
    "load_seconds": {"restart_every_minutes": 0.2, "load_seconds": 5.0},
    "killed_for_memory": {"restart_every_minutes": 0.2, "killed_for_memory": True},
    "lost_metrics": {"lost_metrics": ("vllm:kv_cache",)},
    "version": {"version": "9.9.9"},
    "runtime": {"runtime": "triton"},
    "accepted_share": {"accepted_share": 0.5},
    "adapters_running": {"adapters_running": 2},
    "adapters_waiting": {"adapters_waiting": 2},
    "cached_share": {"cached_share": 0.9},
    "traffic_share": {"traffic_share": 2.0},
    "track": {"track": "canary"},
    "probe": {"probe": "error_status"},
}
GPU: Changes = {
    "condition": {"condition": "lost"},
    "missing": {"missing": True},
    "cooled": {"cooled": False},
    "inlet_celsius": {"inlet_celsius": 45.0},
    "power_limit_ratio": {"power_limit_ratio": 0.5},
    "power_brake": {"power_brake": True},
    "clock_limit_ratio": {"clock_limit_ratio": 0.6},
    "foreign_load": {"foreign_load": 0.5},
    "leaked_bytes_per_minute": {"leaked_bytes_per_minute": 1e9},
    "xid": {"xid": 31},
    "xids_per_minute": {"xid": 31, "xids_per_minute": 30.0},
    "corrected_errors_per_minute": {"corrected_errors_per_minute": 30.0},
    "uncorrected_errors_per_minute": {"uncorrected_errors_per_minute": 30.0},
    "remap_pending": {"remap_pending": True},
    "remap_failed": {"remap_failed": True},
    "recovery_action": {"recovery_action": 2},
    "nvlink_errors_per_minute": {"nvlink_errors_per_minute": 30.0},
    "nvlink_checksum_errors_per_minute": {"nvlink_checksum_errors_per_minute": 30.0},
    "pcie_generation": {"pcie_generation": 3},
    "pcie_width": {"pcie_width": 8},
    "pcie_replays_per_minute": {"pcie_replays_per_minute": 30.0},
}
AUTOSCALER: Changes = {"desired": {"desired": 3}, "ready": {"ready": 1}, "maximum": {"maximum": 9}}
FLEET: Changes = {
    "traffic": {"traffic": replace(CALM.traffic, requests_per_second=0.0)},
    "servers": {"servers": {1: ServerEffect(stalled=True)}},
    "every_server": {"every_server": ServerEffect(stalled=True)},
    "gpus": {"gpus": {1: GpuEffect(power_brake=True)}},
    "every_gpu": {"every_gpu": GpuEffect(power_brake=True)},
    "present": {"present": 1},
    "autoscaler": {"autoscaler": AutoscalerEffect(desired=2, ready=2, maximum=8)},
    "scrape_lost": {"scrape_lost": True},
    "exporter_restarts": {"exporter_restarts": True},
    "prometheus_away": {"prometheus_away": True},
    "drift": {"drift": {"embedding": 1.5}},
    "detectors_silent": {"detectors_silent": True},
    "foreign_memory_kills_per_minute": {"foreign_memory_kills_per_minute": 5.0},
    "pager_failing": {"pager_failing": True},
}


def seen(effect: Effect) -> list[object]:
    """Return everything that the world sees of a fleet after a minute and a half under an effect."""
    fleet = Fleet(scenario=Scenario(name="", description="", calm=CALM, course=(Phase(effect=effect),)), tick=0.5)
    fleet.advance(30)
    fleet.set_fault(active=True)
    fleet.advance(60)
    replicas = list(enumerate(fleet.replicas))
    boundaries = [(fleet.answer(index), one.ready, one.version, fleet.page(index)) for index, one in replicas]
    # What happens to the parts around the fleet is done by who plays the scenario, the stage or the rehearsal.
    of_players = (fleet.exporter_restarts, fleet.effect.scrape_lost, fleet.effect.prometheus_away)
    return [boundaries, fleet.gpus(), fleet.outside(), of_players]


def without(changes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return {other: value for other, value in changes.items() if other != name}


@pytest.mark.parametrize("name", SERVER)
def test_a_field_of_a_servers_effect_is_seen(name: str) -> None:
    with_it, without_it = ServerEffect(**SERVER[name]), ServerEffect(**without(SERVER[name], name))
    assert seen(replace(CALM, servers={0: with_it})) != seen(replace(CALM, servers={0: without_it}))


@pytest.mark.parametrize("name", GPU)
def test_a_field_of_a_gpus_effect_is_seen(name: str) -> None:
    with_it, without_it = GpuEffect(**GPU[name]), GpuEffect(**without(GPU[name], name))
    assert seen(replace(CALM, gpus={0: with_it})) != seen(replace(CALM, gpus={0: without_it}))


@pytest.mark.parametrize("name", AUTOSCALER)
def test_a_field_of_the_autoscalers_effect_is_seen(name: str) -> None:
    usual = AutoscalerEffect(desired=2, ready=2, maximum=8)
    assert seen(replace(CALM, autoscaler=replace(usual, **AUTOSCALER[name]))) != seen(replace(CALM, autoscaler=usual))


@pytest.mark.parametrize("name", FLEET)
def test_a_field_of_an_effect_is_seen(name: str) -> None:
    assert seen(replace(CALM, **FLEET[name])) != seen(CALM)


def test_no_field_is_left_out() -> None:
    records = (ServerEffect, GpuEffect, AutoscalerEffect, Effect)
    for record, changes in zip(records, (SERVER, GPU, AUTOSCALER, FLEET), strict=True):
        assert {one.name for one in fields(record)} == changes.keys()


@pytest.mark.parametrize("answer", Answer)
def test_every_answer_is_what_the_address_answers(answer: Answer) -> None:
    fleet = Fleet(
        scenario=Scenario(
            name="", description="", calm=replace(CALM, every_server=ServerEffect(answer=answer)), course=()
        )
    )
    fleet.advance(1)
    assert fleet.answer(0) is answer
