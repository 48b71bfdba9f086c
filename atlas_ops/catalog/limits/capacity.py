"""Limits of the faults of capacity."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class CapacityLimits:
    """Each is a setting under `limits:`."""

    kv_cache_usage_ratio: float = limit(
        0.9, "ratio", 0, 1,
        "a busy vLLM runs at 0.9 and above in good health, so usage alone never pages: it counts only together with "
        "preemptions and waiting requests, which show that the cache, not the traffic, sets the pace",
    )  # fmt: skip
    preempted_requests_ratio: float = limit(
        0.05, "preemptions for each finished request", 0, 100,
        "the odd preemption is how a full cache is meant to work; one request in twenty computed again is time that the "
        "waiting ones feel (a guess: public rule sets page on the first preemption, and are silenced for it)",
    )  # fmt: skip
