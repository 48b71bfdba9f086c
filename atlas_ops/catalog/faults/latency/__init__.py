"""Faults of latency: users wait longer than they were promised."""

from __future__ import annotations

from atlas_ops.catalog.faults.latency import canary, mean, regression, slo
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return (*slo.faults(parameters), *(module.fault(parameters) for module in (regression, canary, mean)))
