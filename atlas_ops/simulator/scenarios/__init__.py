"""What can happen to the fleet, family by family. Read by `simulator.fleet`, the demo and the rehearsal."""

from __future__ import annotations

from atlas_ops.errors import UsageError
from atlas_ops.simulator.scenario import Scenario
from atlas_ops.simulator.scenarios import (
    availability,
    blindness,
    capacity,
    cost,
    drift,
    hardware,
    latency,
    look_alikes,
    passing,
)

SCENARIOS: tuple[Scenario, ...] = (
    *look_alikes.SCENARIOS,
    *passing.SCENARIOS,
    *latency.SCENARIOS,
    *capacity.SCENARIOS,
    *availability.SCENARIOS,
    *hardware.SCENARIOS,
    *drift.SCENARIOS,
    *cost.SCENARIOS,
    *blindness.SCENARIOS,
)


def scenario_by_name(name: str) -> Scenario:
    """Return a scenario; UsageError naming the known ones when there is none of that name."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    known = ", ".join(scenario.name for scenario in SCENARIOS)
    raise UsageError(f"there is no scenario {name!r}", next_step=f"choose one of: {known}")
