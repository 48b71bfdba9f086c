"""What only looks like a fault: the ordinary life of a fleet, in which nobody may be woken."""

from __future__ import annotations

from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM

SCENARIOS = (
    Scenario(
        name="calm",
        description="Two servers answer a moderate chat load with its normal bursts, and nothing is wrong.",
        calm=CALM,
        course=(Phase(effect=CALM),),
    ),
)
