"""Limits of the faults of hardware."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class HardwareLimits:
    """Each is a setting under `limits:`."""

    throttled_time_ratio: float = limit(
        0.1, "ratio of time", 0, 1,
        "a tenth of the time held down by heat costs tokens that users notice; single short events do not",
    )  # fmt: skip
    clock_loss_ratio: float = limit(
        0.1, "ratio of the maximum SM clock", 0, 1,
        "heat that costs less than a tenth of the clock is how parts are meant to run at their limit",
    )  # fmt: skip
