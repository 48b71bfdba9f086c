"""Scenarios of the faults of availability."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM

SCENARIOS = (
    Scenario(
        name="engine_stalled",
        description="The engine of server 0 hangs with requests inside, while its HTTP server goes on answering 200.",
        expected_fault="EngineStalled",
        calm=CALM,
        course=(Phase(effect=replace(CALM, servers={0: ServerEffect(stalled=True)})),),
    ),
)
