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
    regression_ratio_weeks: float = limit(
        1.5, "times the usual share of slow requests", 1, 100,
        "measured: compared with earlier weeks, at most 1.4 wrong tickets for each model and month come of it, and requests "
        "that take half as long again are found within the hour from 1 request/s on (benchmarks/regression.py)",
    )  # fmt: skip
    regression_ratio_days: float = limit(
        1.8, "times the usual share of slow requests", 1, 100,
        "the same for models that are younger than a week: one day differs from the next by more than a Tuesday from a "
        "Tuesday (measured: at most 0.3 wrong tickets a month)",
    )  # fmt: skip
    regression_page_ratio: float = limit(
        3, "times the usual share of slow requests", 1, 1000,
        "about what comes of all requests taking 1.7 times as long (lognormal latencies with sigma 0.7); measured: no "
        "wrong page in the rehearsed months",
    )  # fmt: skip
    regression_burn_rate: float = limit(
        3, "times the rate at which the error budget lasts 30 days", 0, 1000,
        "the rate of the burn that is a ticket by itself: with a regression behind it, it will not end by itself",
    )  # fmt: skip
    regression_deviations: float = limit(
        3, "standard deviations", 0, 100,
        "with the margin and the five windows that have to agree, chance alone is no longer what tickets come from "
        "(measured at 0.05 to 100 requests/s)",
    )  # fmt: skip
    regression_least_slow_requests: float = limit(
        20, "slow requests that are usual in the window", 0, 1e9,
        "below that the counts are no normal distribution, and a handful of slow requests would be a regression",
    )  # fmt: skip
    regression_least_share: float = limit(
        0.004, "ratio", 0, 1,
        "bounds that fewer requests exceed are judged as if these did: further out a few odd requests are all there is",
    )  # fmt: skip
    regression_most_share: float = limit(
        0.15, "ratio", 0, 1,
        "bounds that more requests exceed are about the median rather than the tail; up to here a runtime whose bounds "
        "are a factor of 2.5 apart has one to be judged at",
    )  # fmt: skip
    workload_moved_ratio: float = limit(
        1.25, "times the usual prompt tokens per request, or requests", 1, 100,
        "prefill grows with the prompt, so prompts that are a quarter longer make about a quarter of the first token's "
        "time (a guess)",
    )  # fmt: skip
    queue_explains_ratio: float = limit(
        0.5, "share of the additional latency that is spent waiting", 0, 1,
        "with more traffic and more than half of the additional time in the queue, it is the queue that is slow (a guess)",
    )  # fmt: skip
    canary_slow_ratio: float = limit(
        1.5, "times the stable servers' share of slow requests", 1, 100,
        "the margin of P99Regression: both see the same minutes, but a new server begins with empty caches (a guess)",
    )  # fmt: skip
    canary_least_slow_requests: float = limit(
        10, "slow requests that the canary would have in half an hour if it were like the stable servers", 0, 1e9,
        "a canary gets little traffic, and is compared with many requests of the same minutes",
    )  # fmt: skip
    mean_latency_ratio: float = limit(
        1.4, "times the usual mean", 1, 100,
        "measured on simulated models with 0.06 to 0.2 requests/s and a heavy tail: at most 0.6 wrong tickets a month with a "
        "day of history and none with weeks; 1.3 made up to 2.2 with a day. More traffic was not measured",
    )  # fmt: skip
    mean_latency_least_requests: float = limit(
        200, "requests in an hour", 0, 1e9,
        "fewer make a mean that a single slow request moves",
    )  # fmt: skip
