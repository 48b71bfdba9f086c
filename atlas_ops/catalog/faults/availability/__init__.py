"""Faults of availability: a model does not answer at all."""

from __future__ import annotations

from atlas_ops.catalog.faults.availability import serving
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return serving.faults(parameters)
