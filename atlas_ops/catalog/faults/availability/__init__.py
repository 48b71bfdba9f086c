"""Faults of availability: a model does not answer at all."""

from __future__ import annotations

from atlas_ops.catalog.faults.availability import probing, readiness, restarts, slo, stall, straggler
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return (
        stall.engine_stalled(parameters),
        readiness.model_server_down(parameters),
        readiness.model_not_ready(parameters),
        restarts.crash_looping(parameters),
        restarts.out_of_memory_killed(parameters),
        straggler.replica_straggler(parameters),
        probing.probe_failing(parameters),
        slo.availability_slo_burn(parameters),
    )
