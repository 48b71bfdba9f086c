"""Scenarios of the faults of latency."""

from __future__ import annotations

from atlas_ops.simulator.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
