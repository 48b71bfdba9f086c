"""Scenarios of the faults of cost."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import Effect, GpuEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CHAT, NOBODY

# So few that the GPUs have room for somebody else's work.
_FEW = Effect(traffic=replace(CHAT, requests_per_second=0.25))

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="gpu_idle_allocated",
        description="Nobody asks the model any more, and its servers keep their GPUs for half a day and longer.",
        expected_fault="GpuIdleAllocated",
        calm=CALM,
        course=(Phase(effect=NOBODY),),
        active_minutes=750,
    ),
    Scenario(
        name="cost_per_token_spike",
        description="Somebody else's process computes on the GPUs of the model, which answers as many requests as before.",
        expected_fault="CostPerTokenSpike",
        calm=_FEW,
        course=(Phase(effect=replace(_FEW, every_gpu=GpuEffect(foreign_load=0.6))),),
        calm_minutes=180,
        active_minutes=60,
    ),
)
