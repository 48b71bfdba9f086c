"""Limits of the faults of blindness."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops.catalog.limits.limit import limit


@dataclass(frozen=True, kw_only=True)
class BlindnessLimits:
    """Each is a setting under `limits:`."""

    metrics_missing_seconds: float = limit(
        900, "seconds", 0, 86_400,
        "a rollout that changes flags or tokens is over in a quarter of an hour, and nobody is woken by it (a guess)",
    )  # fmt: skip
    frozen_seconds: float = limit(
        1800, "seconds", 0, 86_400,
        "longer than any single answer that a client waits for, so that a server whose counters move only at its end does "
        "not look frozen (a guess); a hung engine pages after `stall_seconds`",
    )  # fmt: skip
    driver_call_seconds: float = limit(
        300, "seconds", 0, 86_400,
        "calls of a healthy driver return in milliseconds, and in seconds while a GPU is reset (a guess)",
    )  # fmt: skip
    drift_monitor_age_seconds: float = limit(
        3600, "seconds", 0, 604_800,
        "drift is a matter of hours: an hour without a round loses nothing that cannot be caught up with (a guess)",
    )  # fmt: skip
    pager_stuck_seconds: float = limit(
        300, "seconds", 0, 86_400,
        "a pager that Slack holds back still delivers a message each second; five minutes with nothing delivered while "
        "something waits is no hiccup",
    )  # fmt: skip
    heartbeat_age_seconds: float = limit(
        300, "seconds", 60, 86_400,
        "the heartbeat comes every minute; five missed ones are no accident",
    )  # fmt: skip
