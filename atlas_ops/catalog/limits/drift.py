"""Limits of the faults of drift."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class DriftLimits:
    """Each is a setting under `limits:`."""

    drift_sustained_seconds: float = limit(
        1800, "seconds", 0, 604_800,
        "the detectors decide what drift is; half an hour without a break lets one odd batch of requests pass (a guess)",
    )  # fmt: skip
    drift_psi: float = limit(
        0.25, "nats, of a day without a watcher", 0, 100,
        "the usual limit of a great change; over a day no quiet one of three simulated worlds came up to it, while an hour passes it "
        "tens of times a month",
    )  # fmt: skip
    drift_psi_values: float = limit(
        100, "values for each bin, in a day without a watcher", 0, 1e9,
        "with half of them, requests that come in fives, all alike, would reach the limit by chance on one day in 2,000",
    )  # fmt: skip
    workload_shift_ratio: float = limit(
        1.5, "tokens per request against the day before, either way", 1, 100,
        "half as many again, or a third fewer, changes what a replica can carry; means over half an hour of a steady "
        "mix stay within a fifth (a guess)",
    )  # fmt: skip
    workload_slowdown_ratio: float = limit(
        1.5, "mean time to the first token against the day before", 1, 100,
        "longer prompts alone take longer; what is half as slow again is noticed (a guess)",
    )  # fmt: skip
    workload_minimum_requests: float = limit(
        200, "requests in half an hour", 0, 1e9,
        "lengths vary about as much as their mean (public traces), so the mean of 200 is within a tenth of the truth",
    )  # fmt: skip
