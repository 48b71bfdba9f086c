"""Faults of hardware: a GPU cannot do what it is there for."""

from __future__ import annotations

from atlas_ops.catalog.faults.hardware import clock, leak, links, lost, memory_errors, throttling, xid
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters

_FAULTS = (
    throttling.thermal_throttling,
    throttling.power_brake,
    clock.clock_deficit,
    xid.hardware,
    xid.application,
    memory_errors.memory_errors,
    memory_errors.row_remap_pending,
    lost.lost,
    lost.recovery_required,
    links.nvlink_errors,
    links.pcie_degraded,
    leak.memory_leak,
)


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family, in the order in which dashboards show them and rules are evaluated."""
    return tuple(make(parameters) for make in _FAULTS)
