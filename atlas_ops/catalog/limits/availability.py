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
    slo_minimum_failed_requests: float = limit(
        10, "failed requests in the long window", 0, 1e9,
        "on a quiet model one failed request is a burn rate of its own; ten are no accident (a guess)",
    )  # fmt: skip
    longest_answer_seconds: float = limit(
        1800, "seconds", 0, 86_400,
        "where tokens are counted when a request ends, nothing moves during one long answer: 32k tokens at 20 a second "
        "take 27 minutes",
    )  # fmt: skip
    not_ready_seconds: float = limit(
        900, "seconds", 0, 86_400,
        "weights of large models load for minutes, and start-up probes of LLM servers usually allow ten; a quarter of "
        "an hour is longer than both",
    )  # fmt: skip
    crash_loop_restarts: float = limit(
        3, "restarts in the window", 0, 1000,
        "one restart is a deployment, two a deployment that was corrected; a third in the window is a loop (a guess)",
    )  # fmt: skip
    crash_loop_seconds: float = limit(
        1800, "seconds", 0, 86_400,
        "three rounds of loading for some minutes, dying, and waiting for Kubernetes, whose back-off ends at five minutes",
    )  # fmt: skip
    straggler_slowness_ratio: float = limit(
        1.5, "time for each token against the median of its peers", 1, 100,
        "replicas of one model on one kind of GPU are within some percent of each other; half as slow again is a "
        "neighbour, a clock or a link, not chance (a guess)",
    )  # fmt: skip
    straggler_seconds: float = limit(
        900, "seconds", 0, 86_400,
        "a prefill, a compaction or a burst is over within minutes; a bad part is slow all the time (a guess)",
    )  # fmt: skip
    straggler_tokens: float = limit(
        500, "tokens (or requests, where no tokens are told) in five minutes", 0, 1e9,
        "a mean over fewer is that of two or three answers, and one of them may be odd",
    )  # fmt: skip
    probe_failures: float = limit(
        3, "failed probes in an hour", 0, 1000,
        "one probe can meet a deployment or a full queue; with the usual minute between two, three in a row take as "
        "long as people try again before they give up (a guess)",
    )  # fmt: skip
