"""What becomes of a server's process under an effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from atlas_ops.simulator import Fleet, Scenario
from atlas_ops.simulator.effects import Answer, Effect, ServerEffect
from atlas_ops.simulator.scenario import Phase
from atlas_ops.simulator.scenarios.traffic import CALM

from .pages import finished, value


def fleet_under(*phases: Phase, scale: float = 1.0) -> Fleet:
    """Return a fleet that has been calm for a minute and begins its course now."""
    fleet = Fleet(scenario=Scenario(name="", description="", calm=CALM, course=phases), tick=0.5, scale=scale)
    fleet.advance(60)
    fleet.set_fault(active=True)
    return fleet


def of_server(**changes: object) -> Effect:
    return replace(CALM, servers={0: ServerEffect(**changes)})  # type: ignore[arg-type]


def answers(fleet: Fleet, seconds: int) -> Mapping[Answer | None, int]:
    """Return how many seconds server 0 answered what, beginning with the next."""
    seen: dict[Answer | None, int] = {}
    for _ in range(seconds):
        fleet.advance(1)
        seen[fleet.answer(0)] = seen.get(fleet.answer(0), 0) + 1
    return seen


def test_a_restarted_server_refuses_then_loads_and_begins_at_zero() -> None:
    fleet = fleet_under(Phase(effect=of_server(restart_every_minutes=10.0, load_seconds=40.0)))
    before = fleet.page(0)
    seen = answers(fleet, 60)
    assert seen == {Answer.REFUSED: pytest.approx(20, abs=1), Answer.LOADING: 20, Answer.PAGE: pytest.approx(20, abs=1)}
    assert 0 < finished(fleet.page(0)) < finished(before)
    assert value(fleet.page(0), "process_start_time_seconds") == value(before, "process_start_time_seconds") + 60
    assert fleet.replicas[0].life.restarts == 1
    assert fleet.replicas[1].life.restarts == 0


def test_restarts_come_again_and_the_kernels_are_counted() -> None:
    crashing = of_server(restart_every_minutes=2.0, load_seconds=10.0, killed_for_memory=True)
    fleet = fleet_under(Phase(effect=crashing))
    fleet.advance(5 * 60)
    assert fleet.replicas[0].life.restarts == fleet.replicas[0].life.memory_kills == 3


def test_the_demo_profile_shortens_restarts_and_loads_as_it_shortens_windows() -> None:
    fleet = fleet_under(Phase(effect=of_server(restart_every_minutes=2.0, load_seconds=100.0)), scale=0.05)
    assert answers(fleet, 6)[Answer.PAGE] == pytest.approx(1, abs=1)
    fleet.advance(54)
    assert fleet.replicas[0].life.restarts == 10


@pytest.mark.parametrize("answer", [Answer.REFUSED, Answer.LOADING])
def test_a_server_that_is_gone_loses_its_requests_and_is_back_when_the_effect_ends(answer: Answer) -> None:
    fleet = fleet_under(Phase(effect=of_server(answer=answer)))
    fleet.advance(30)
    assert fleet.answer(0) is answer
    assert not fleet.replicas[0].ready
    assert fleet.replicas[0].engine.requests_running == 0
    assert fleet.gpus()[0].utilization_ratio == 0
    fleet.set_fault(active=False)
    fleet.advance(20)
    assert fleet.answer(0) is Answer.PAGE
    assert 0 < finished(fleet.page(0)) < 0.7 * finished(fleet.page(1))


def test_a_model_that_was_loading_is_served_by_the_process_that_loaded_it() -> None:
    fleet = fleet_under(Phase(effect=of_server(answer=Answer.LOADING)))
    fleet.advance(30)
    fleet.set_fault(active=False)
    fleet.advance(30)
    assert fleet.replicas[0].life.started_at == 60


def test_a_process_that_is_gone_leaves_the_memory_of_its_gpu() -> None:
    fleet = fleet_under(Phase(effect=of_server(answer=Answer.REFUSED)))
    fleet.advance(1)
    assert fleet.gpus()[0].processes == ()
    assert fleet.gpus()[0].memory_used_bytes == 0
    assert fleet.gpus()[1].memory_used_bytes > 0


def test_servers_that_are_scaled_away_have_no_page_and_load_when_they_come_back() -> None:
    away = Phase(effect=replace(CALM, present=0), minutes=1)
    fleet = fleet_under(away, Phase(effect=CALM))
    assert answers(fleet, 60) == {None: 60}
    assert answers(fleet, 40) == {Answer.REFUSED: pytest.approx(20, abs=1), Answer.LOADING: pytest.approx(20, abs=1)}
    assert answers(fleet, 10) == {Answer.PAGE: 10}


def test_a_frozen_page_stays_though_the_server_works_on() -> None:
    fleet = fleet_under(Phase(effect=of_server(answer=Answer.FROZEN)))
    fleet.advance(1)
    frozen, done = fleet.page(0), fleet.replicas[0].engine.counters.generation_tokens
    fleet.advance(30)
    assert fleet.page(0) == frozen
    assert fleet.replicas[0].engine.counters.generation_tokens > done
    fleet.set_fault(active=False)
    fleet.advance(1)
    assert fleet.page(0) != frozen


def test_what_leaks_is_free_again_after_a_restart() -> None:
    leaking = replace(CALM, every_gpu=replace(CALM.every_gpu, leaked_bytes_per_minute=1e9))
    restarting = replace(leaking, every_server=ServerEffect(restart_every_minutes=60.0, load_seconds=2.0))
    fleet = fleet_under(Phase(effect=leaking, minutes=5), Phase(effect=restarting))
    whole = fleet.gpus()[0].memory_used_bytes
    fleet.advance(299)
    assert fleet.gpus()[0].memory_used_bytes == pytest.approx(whole + 5e9, rel=0.01)
    fleet.advance(5)
    assert fleet.gpus()[0].memory_used_bytes == pytest.approx(whole, rel=0.01)
