from __future__ import annotations

import pytest

from atlas_ops.errors import AtlasError
from atlas_ops.simulator import SCENARIOS, Fleet, Scenario, scenario_by_name

from .pages import finished


def story(scenario: Scenario, *, seed: int = 7, pieces: float = 1.0) -> list[str]:
    """Play a scenario with its fault in the middle, and return every page and every GPU at the end of each part."""
    fleet, seen = Fleet(scenario=scenario, seed=seed), []
    for active in (False, True, False):
        fleet.set_fault(active=active)
        for _ in range(round(15 / pieces)):
            fleet.advance(pieces)
        seen += [fleet.page(0), fleet.page(1), str(fleet.gpus())]
    return seen


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_same_seed_and_the_same_faults_give_the_same_pages(scenario: Scenario) -> None:
    assert story(scenario) == story(scenario)


@pytest.mark.parametrize("pieces", [0.05, 0.3, 5.0])
def test_it_does_not_matter_how_time_is_cut_into_calls(pieces: float) -> None:
    assert story(scenario_by_name("kv_pressure"), pieces=pieces) == story(scenario_by_name("kv_pressure"))


def test_another_seed_gives_another_course_and_servers_are_not_copies_of_each_other() -> None:
    first, other = story(SCENARIOS[0], seed=1), story(SCENARIOS[0], seed=2)
    assert first[0] != other[0]
    assert first[0] != first[1]


def test_gpus_are_told_apart() -> None:
    assert len({gpu.uuid for fleet in (Fleet(seed=1), Fleet(seed=2, replicas=3)) for gpu in fleet.gpus()}) == 5


def test_every_request_has_its_energy_and_its_time() -> None:
    fleet = Fleet()
    fleet.advance(60)
    assert fleet.now == pytest.approx(60)
    assert finished(fleet.page(0)) > 100
    assert all(60 * 75 < gpu.energy_joules < 60 * 700 for gpu in fleet.gpus())


def test_a_fault_has_a_beginning_until_it_is_mended_or_the_scenario_changes() -> None:
    fleet = Fleet(scenario=scenario_by_name("kv_pressure"))
    fleet.advance(3)
    fleet.set_fault(active=True)
    fleet.advance(2)
    fleet.set_fault(active=True)
    assert fleet.fault_since == pytest.approx(3)
    fleet.choose(scenario_by_name("engine_stalled"))
    assert fleet.fault_since is None


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AtlasError, match="meltdown") as refused:
        scenario_by_name("meltdown")
    assert all(scenario.name in refused.value.next_step for scenario in SCENARIOS)
