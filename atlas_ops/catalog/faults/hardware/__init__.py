"""Faults of hardware: a GPU cannot do what it is there for."""

from __future__ import annotations

from atlas_ops.catalog.faults.hardware import thermal
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return thermal.faults(parameters)
