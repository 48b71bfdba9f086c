"""Faults of cost: money is spent and nobody gets anything for it."""

from __future__ import annotations

from atlas_ops.catalog.faults.cost import idle, tokens
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them."""
    return (idle.gpu_idle_allocated(parameters), tokens.cost_per_token_spike(parameters))
