"""Faults of capacity: more is asked of a model than it can do in time."""

from __future__ import annotations

from atlas_ops.catalog.faults.capacity import (
    autoscaling,
    cold_start,
    headroom,
    kv_cache,
    lora,
    prefix_cache,
    queue,
    rejection,
    speculation,
)
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return (
        queue.backlog(parameters),
        kv_cache.pressure(parameters),
        kv_cache.preemption_storm(parameters),
        prefix_cache.collapse(parameters),
        rejection.rejected(parameters),
        headroom.low(parameters),
        autoscaling.cascade(parameters),
        autoscaling.at_maximum(parameters),
        cold_start.slow(parameters),
        speculation.collapse(parameters),
        lora.thrashing(parameters),
    )
