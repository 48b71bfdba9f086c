"""Scenarios of the faults of capacity."""

from __future__ import annotations

from atlas_ops.simulator.effects import Effect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM, CROWD, DOCUMENTS

SCENARIOS = (
    Scenario(
        name="kv_pressure",
        description="Long documents fill the KV cache: running requests are thrown out and computed again.",
        expected_fault="KvCachePressure",
        calm=CALM,
        course=(Phase(effect=Effect(traffic=DOCUMENTS)),),
    ),
    Scenario(
        name="queue_backlog",
        description="A crowd of short requests takes every slot, and the queue grows faster than it is worked off.",
        expected_fault="QueueBacklog",
        calm=CALM,
        course=(Phase(effect=Effect(traffic=CROWD)),),
    ),
)
