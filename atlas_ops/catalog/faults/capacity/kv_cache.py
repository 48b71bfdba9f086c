"""KvCachePressure and PreemptionStorm: running requests are thrown out of a full KV cache, with and without a queue behind it."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.capacity.queue import COMPLETED_RATE
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

_STORM_SECONDS = 900.0


def pressure(parameters: Parameters) -> Fault:
    """Return KvCachePressure."""
    timing, limit = parameters.timing, promql.number(parameters.limits.kv_cache_usage_ratio)
    by_server = c.SERVER_LABELS
    window = timing.window(120)
    # Preemption frees blocks, so a single reading in the middle of thrashing can show 0.45 (measured on vLLM 0.32):
    # the highest reading of the window is what the cache was really at.
    full = f"max by ({', '.join(by_server)}) (max_over_time({s.KV_CACHE_USAGE}[{window}]) > {limit})"
    share, waiting = (
        promql.number(limit)
        for limit in (parameters.limits.preempted_requests_ratio, parameters.limits.waiting_minimum)
    )
    return Fault(
        name="KvCachePressure",
        family=Family.CAPACITY,
        meaning="The KV cache is full: running requests are thrown out and computed again while others wait for room.",
        impact="Answers stall in the middle and start late; the GPU spends its time on work it has done before.",
        rules=(
            Rule(
                expr=f"{full}\nand\n{_preempted(window)} > {share} * {COMPLETED_RATE}\nand\n{_waiting(window)} >= {waiting}",
                labels=by_server,
                severity=Severity.PAGE,
                summary=(
                    "The KV cache of {{ $labels.model }} on {{ $labels.server }} reached "
                    f"{{{{ $value | humanizePercentage }}}} (limit {promql.number(parameters.limits.kv_cache_usage_ratio * 100)} %) "
                    "with requests preempted and waiting."
                ),
                for_seconds=timing.hold(60),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            ),
        ),
        panel=Panel(
            title="KV cache in use, fullest engine",
            description="High usage alone is healthy. Watch it together with preemptions and waiting requests.",
            queries=((promql.select(s.KV_CACHE_USAGE, 'model=~"$model"'), "{{model}} {{server}}"),),
            unit="percentunit",
            limit=parameters.limits.kv_cache_usage_ratio,
        ),
        why=(
            "A busy server keeps its cache full in good health. Only usage above the limit together with requests that "
            "wait and more than the odd preemption shows that the cache sets the pace."
        ),
        look_alike="A full cache with nobody waiting or hardly anything preempted, as under steady heavy load.",
        inhibits=(
            Inhibition(targets=("QueueBacklog", "PreemptionStorm"), equal=("node", "server", "model")),
            Inhibition(
                targets=("TimeToFirstTokenSloBurn", "RequestLatencySloBurn", "InterTokenLatencySloBurn"),
                equal=("namespace", "model"),
            ),
        ),
        scenario="kv_pressure",
    )


def preemption_storm(parameters: Parameters) -> Fault:
    """Return PreemptionStorm."""
    timing, limits = parameters.timing, parameters.limits
    window = timing.window(_STORM_SECONDS)
    share = f"{_preempted(window)} / avg_over_time({COMPLETED_RATE}[{window}])"
    enough = promql.sum_by(c.SERVER_LABELS, promql.increase(s.PREEMPTIONS, window))
    limit, minimum, waiting = (
        promql.number(number)
        for number in (limits.preemption_storm_ratio, limits.preemption_storm_minimum, limits.waiting_minimum)
    )
    return Fault(
        name="PreemptionStorm",
        family=Family.CAPACITY,
        meaning="Running requests are thrown out of the KV cache and computed again all the time, though nobody waits yet.",
        impact="Answers pause in the middle, and part of the GPU's work is done twice; the next rise of traffic becomes a page.",
        rules=(
            Rule(
                expr=f"{share} > {limit}\nand\n{enough} >= {minimum}\nand\n{_waiting(window)} < {waiting}",
                labels=c.SERVER_LABELS,
                severity=Severity.TICKET,
                summary=(
                    '{{ $labels.server }} preempts {{ $value | printf "%.1f" }} times for each request to {{ $labels.model }} '
                    f"that it finishes; {limit} is the limit."
                ),
                keep_firing_seconds=timing.hold(_STORM_SECONDS),
            ),
        ),
        panel=Panel(
            title="Preemptions for each finished request",
            description="The odd preemption is how a full cache works. Every fifth request computed again is waste.",
            queries=((share.replace(f"[{window}]", "[$__rate_interval]"), "{{model}} {{server}}"),),
            unit="short",
            limit=limits.preemption_storm_ratio,
        ),
        why=(
            "Preemptions are counted for each finished request, so that traffic does not matter, over a quarter of an "
            "hour, so that a peak does not either. With requests waiting it is KvCachePressure, which pages."
        ),
        look_alike="A short peak that preempts a few requests, and a quiet server that finishes next to nothing.",
        scenario="preemption_storm",
    )


def _preempted(window: str) -> str:
    return promql.sum_by(c.SERVER_LABELS, promql.rate(s.PREEMPTIONS, window))


def _waiting(window: str) -> str:
    return promql.sum_by(c.SERVER_LABELS, f"avg_over_time({s.REQUESTS_WAITING}[{window}])")
