"""What a case of `benchmarks.diagnosis` is, and the words that cases are written in. They stand in `diagnosis_cases`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from atlas_ops.simulator import Scenario, scenario_by_name
from atlas_ops.simulator.effects import Effect, GpuEffect, ServerEffect
from atlas_ops.simulator.scenario import Phase
from atlas_ops.simulator.scenarios.traffic import CALM
from atlas_ops.simulator.traffic import Lengths
from benchmarks.diagnosis_world import Amendment

RESTARTED = 1440.0
"""Minutes from one restart to the next: it restarts as the effect begins, and not again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One way in which a fault comes about."""

    fault: str
    cause: str
    """The check that names what is played; empty: no check could tell it."""
    scenario: Scenario
    amendments: tuple[Amendment, ...] = ()
    """What is done to the samples, in this order."""
    own: bool = False
    """Whether it is a scenario of the catalog as it is."""


def in_catalog(fault: str, scenario: str, cause: str = "") -> Case:
    """Return a scenario of the catalog as it is."""
    return Case(fault=fault, cause=cause, scenario=scenario_by_name(scenario), own=True)


def case(
    fault: str,
    cause: str,
    scenario: str,
    effect: Effect | None = None,
    *amendments: Amendment,
    phases: Sequence[Phase] = (),
    **changes: Any,
) -> Case:
    """Return a scenario with another course. `changes` are those of its other fields."""
    played = scenario_by_name(scenario)
    course = tuple(phases) or ((Phase(effect=effect),) if effect else played.course)
    return Case(fault=fault, cause=cause, scenario=replace(played, course=course, **changes), amendments=amendments)


def server_0(effect: Effect = CALM, **of_server_0: Any) -> Effect:
    """Do something to server 0."""
    return replace(effect, servers={0: ServerEffect(**of_server_0)})


def every_server(effect: Effect = CALM, **of_each: Any) -> Effect:
    """Do something to every server that is not named."""
    return replace(effect, every_server=ServerEffect(**of_each))


def gpu_0(effect: Effect = CALM, **of_gpu_0: Any) -> Effect:
    """Do something to GPU 0."""
    return replace(effect, gpus={0: GpuEffect(**of_gpu_0)})


def every_gpu(effect: Effect = CALM, **of_each: Any) -> Effect:
    """Do something to every GPU."""
    return replace(effect, every_gpu=GpuEffect(**of_each))


def tokens(median: float, *, sigma: float = 0.3, maximum: int = 6144) -> Lengths:
    """Return lengths that vary little."""
    return Lengths(median=median, sigma=sigma, maximum=maximum)
