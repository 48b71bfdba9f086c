"""Limits of the faults of latency."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class LatencyLimits:
    """Each is a setting under `limits:`."""

    slo_minimum_slow_requests: float = limit(
        10, "slow requests in the long window", 0, 1e9,
        "on a quiet model a few slow answers are a burn rate of their own, and the first ones after a cold start are slow",
    )  # fmt: skip
    slo_minimum_slow_tokens: float = limit(
        2000, "slow tokens in the long window", 0, 1e12,
        "ten answers of 200 tokens (the mean of a public trace of chats is 211): one slow answer alone is hundreds of slow "
        "tokens; runtimes that time a mean per answer are held to slo_minimum_slow_requests",
    )  # fmt: skip
