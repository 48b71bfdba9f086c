"""Limits of the faults of availability."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class AvailabilityLimits:
    """Each is a setting under `limits:`."""

    stall_seconds: float = limit(
        120, "seconds", 0, 86_400,
        "must be longer than the longest healthy pause between two tokens, or two finished requests where a runtime "
        "counts no tokens; a prefill of 100k tokens takes tens of seconds",
    )  # fmt: skip
