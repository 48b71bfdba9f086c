"""Scenarios of the faults of latency."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import ServerEffect
from atlas_ops.simulator.scenario import Phase, Scenario
from atlas_ops.simulator.scenarios.traffic import CALM

_CANARY = ServerEffect(track="canary")
_BESIDE_CANARY = replace(CALM, every_server=ServerEffect(track="stable"), servers={1: _CANARY})
_MEANS = replace(CALM, every_server=ServerEffect(mean_only=True))

SCENARIOS = (
    Scenario(
        name="p99_regression",
        description="After a day like any other every step takes half as long again, at the same traffic and the same prompts.",
        expected_fault="P99Regression",
        calm=CALM,
        course=(Phase(effect=replace(CALM, every_server=ServerEffect(slowness=1.5))),),
        active_minutes=75.0,
        history_days=1.0,
    ),
    Scenario(
        name="canary_regression",
        description="The new release on server 1 takes twice as long for every step as the stable one on server 0.",
        expected_fault="CanaryRegression",
        calm=_BESIDE_CANARY,
        course=(Phase(effect=replace(_BESIDE_CANARY, servers={1: replace(_CANARY, slowness=2.0)})),),
        active_minutes=60.0,
    ),
    Scenario(
        name="mean_latency_regression",
        description="Servers that tell only means of their latencies take twice as long for every step, after a day like any other.",
        expected_fault="MeanLatencyRegression",
        calm=_MEANS,
        course=(Phase(effect=replace(_MEANS, every_server=ServerEffect(mean_only=True, slowness=2.0))),),
        active_minutes=75.0,
        history_days=1.0,
    ),
)
