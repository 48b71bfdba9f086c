"""Thresholds that are the same for every model, family by family; each is a setting under `limits:`.

Read from the user's file by `atlas_ops.settings`; used by `catalog/faults/` to build the rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.availability import AvailabilityLimits
from atlas_ops.catalog.limits.blindness import BlindnessLimits
from atlas_ops.catalog.limits.capacity import CapacityLimits
from atlas_ops.catalog.limits.cost import CostLimits
from atlas_ops.catalog.limits.drift import DriftLimits
from atlas_ops.catalog.limits.hardware import HardwareLimits
from atlas_ops.catalog.limits.latency import LatencyLimits
from atlas_ops.catalog.limits.limit import LimitInfo

__all__ = ["LimitInfo", "Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits(
    LatencyLimits, CapacityLimits, AvailabilityLimits, HardwareLimits, DriftLimits, CostLimits, BlindnessLimits
):
    """All limits."""
