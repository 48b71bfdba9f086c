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
    preemption_storm_ratio: float = limit(
        0.2, "preemptions for each finished request", 0, 100,
        "every fifth request computed again is work that no traffic explains: four times what KvCachePressure allows, "
        "because here nobody waits yet (a guess)",
    )  # fmt: skip
    preemption_storm_minimum: float = limit(
        20, "preemptions in a quarter of an hour", 0, 1e9,
        "on a quiet server two preemptions and three finished requests are a ratio, and no storm (a guess)",
    )  # fmt: skip
    fallen_ratio: float = limit(
        0.5, "ratio of what was usual", 0, 1,
        "a prefix cache or a draft model that does less than half of its usual work has lost something; the share drifts "
        "by a third over a day by itself when prompts change (a guess)",
    )  # fmt: skip
    prefix_cache_minimum_tokens: float = limit(
        100_000, "tokens looked up in half an hour", 0, 1e12,
        "a hundred prompts of a thousand tokens; the share of a few prompts says who asked, not how the cache is (a guess)",
    )  # fmt: skip
    prefix_cache_useful_ratio: float = limit(
        0.2, "ratio of tokens found", 0, 1,
        "a cache that used to find less than a fifth has not much to lose (a guess)",
    )  # fmt: skip
    speculation_minimum_tokens: float = limit(
        10_000, "tokens drafted in half an hour", 0, 1e12,
        "some fifty answers; the share of a few answers says what was asked, not how the draft model is (a guess)",
    )  # fmt: skip
    rejected_requests_ratio: float = limit(
        0.05, "ratio of all requests", 0, 1,
        "clients that retry hide one rejection in a hundred from their users, and not one in twenty (a guess)",
    )  # fmt: skip
    rejected_requests_minimum: float = limit(
        10, "rejected requests in five minutes", 0, 1e9,
        "on a quiet model one rejected request is a large share; ten are more than one client's bad luck (a guess)",
    )  # fmt: skip
    capacity_used_ratio: float = limit(
        0.8, "ratio of slots or KV cache, whichever is fuller", 0, 1,
        "the wait in a queue grows as 1 / (1 - use): twice as long at 0.9 as at 0.8, and without bound at 1",
    )  # fmt: skip
    capacity_used_seconds: float = limit(
        3600, "seconds of the last day", 0, 86_400,
        "an hour a day above the ratio is a daily peak that has outgrown the fleet, not one burst (a guess)",
    )  # fmt: skip
    autoscaling_rises: float = limit(
        2, "rises in the window", 0, 1000,
        "an autoscaler that was right is done in one or two steps; a third before the replicas are there means that it "
        "reacts to its own delay (a guess)",
    )  # fmt: skip
    autoscaling_rises_seconds: float = limit(
        900, "seconds", 0, 86_400,
        "Kubernetes' autoscaler decides every 15 s and doubles at most, so a load that jumps is answered within minutes; longer "
        "would count the steps of a morning that fills up (a guess)",
    )  # fmt: skip
    autoscaling_lag_seconds: float = limit(
        600, "seconds", 0, 86_400,
        "replicas that are not ready after ten minutes: Kubernetes calls a rollout stuck after the same time "
        "(progressDeadlineSeconds)",
    )  # fmt: skip
    wait_falling_ratio: float = limit(
        0.8, "ratio of the wait a window before", 0, 10,
        "a wait that has not fallen by a fifth in the window is not being worked off (a guess)",
    )  # fmt: skip
    wait_falling_seconds: float = limit(
        300, "seconds", 0, 86_400,
        "a replica that helps is felt within minutes of its first answer (a guess)",
    )  # fmt: skip
    cold_start_ratio: float = limit(
        2, "times the usual time of this model", 1, 1000,
        "a cold cache of the node or a busy registry makes a start half as long again; twice as long is another cause "
        "(a guess)",
    )  # fmt: skip
    cold_start_minimum_seconds: float = limit(
        60, "seconds", 0, 86_400,
        "a start that is over within a minute hurts nobody, however much longer than usual it took (a guess)",
    )  # fmt: skip
    cold_start_seconds: float = limit(
        600, "seconds", 0, 86_400,
        "Kubernetes takes a rollout for stuck, and Knative gives a revision up, when it is not ready after 600 s "
        "(progressDeadlineSeconds, progress-deadline)",
    )  # fmt: skip
    waiting_minimum: float = limit(
        1, "requests, or LoRA adapters, that wait on average", 0, 1e9,
        "less than one is a queue that empties again and again: whoever is in it waits for a moment, which is how batching works",
    )  # fmt: skip
    lora_full_ratio: float = limit(
        0.9, "ratio of the most of six hours", 0, 1,
        "no runtime tells how many adapters or requests fit, so the most that ran in six hours stands for full; a tenth "
        "less leaves room for adapters that change places between two scrapes (a guess)",
    )  # fmt: skip
