"""Limits of the faults of cost."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class CostLimits:
    """Each is a setting under `limits:`."""

    idle_gpu_seconds: float = limit(
        43_200, "seconds", 0, 604_800,
        "longer than a night without users, and than the pauses of an autoscaler that keeps a warm replica",
    )  # fmt: skip
    idle_gpu_utilization_ratio: float = limit(
        0.01, "ratio of time", 0, 1,
        "no kernel at all, but for the odd reading of a monitor or a health check",
    )  # fmt: skip
    idle_gpu_memory_ratio: float = limit(
        0.1, "ratio of the memory", 0, 1,
        "where nobody is known to hold a GPU, its memory tells: contexts of drivers and displays take less than a tenth",
    )  # fmt: skip
    token_cost_ratio: float = limit(
        1.5, "energy for each token against the day before", 1, 100,
        "batches, prompts and clocks move it by a tenth or two; half as much again is money (a guess)",
    )  # fmt: skip
    token_cost_traffic_ratio: float = limit(
        0.8, "tokens against the mean of the day before", 0, 10,
        "a quiet hour makes every token dear, for the idle power is shared by fewer: it is no spike",
    )  # fmt: skip
    token_cost_minimum_tokens: float = limit(
        10, "tokens per second", 0, 1e9,
        "below it the energy of idling is all there is to see (a guess)",
    )  # fmt: skip
