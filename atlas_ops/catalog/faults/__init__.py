"""The registry of faults, family by family. Importing it has no effect; `all_faults` makes the records."""

from __future__ import annotations

from atlas_ops.catalog.faults import availability, blindness, capacity, cost, drift, hardware, latency
from atlas_ops.catalog.model import Fault
from atlas_ops.catalog.parameters import Parameters

FAMILIES = (latency, capacity, availability, hardware, drift, cost, blindness)


def all_faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return every fault, with its rules built for these parameters."""
    return tuple(fault for family in FAMILIES for fault in family.faults(parameters))
