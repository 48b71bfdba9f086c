"""Faults of capacity: more is asked of a model than it can do in time."""

from __future__ import annotations

from atlas_ops.catalog.faults.capacity import queue
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return queue.faults(parameters)
