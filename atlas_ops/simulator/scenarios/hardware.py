"""Scenarios of the faults of hardware."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import GpuEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM

SCENARIOS = (
    Scenario(
        name="thermal_throttling",
        description="The cooling of GPU 0 fails: it heats up, halves its clock, and its server slows down.",
        expected_fault="GpuThermalThrottling",
        calm=CALM,
        course=(Phase(effect=replace(CALM, gpus={0: GpuEffect(cooled=False)})),),
    ),
)
