"""Faults of capacity: more is asked of a model than it can do in time."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters

COMPLETED_RATE = "server:atlas_requests_completed:rate"
PREDICTED_WAIT = "server:atlas_queue_wait:predicted_seconds"


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family."""
    return (_queue_backlog(parameters), _kv_cache_pressure(parameters))


def _queue_backlog(parameters: Parameters) -> Fault:
    timing = parameters.timing
    by_server = c.SERVER_LABELS
    window = timing.window(120)
    completed = promql.sum_by(by_server, promql.rate(s.REQUESTS, window, 'outcome!="rejected"'))
    # The rate of a series younger than its window is too low (Prometheus divides by the whole window), and the wait of a
    # new server too long. A rate that was there a window ago is whole now.
    whole = f"{COMPLETED_RATE} offset {window} >= 0"
    rules = tuple(
        Rule(
            expr=f"{promql.select(PREDICTED_WAIT, models)} > {promql.number(objective.queue_wait_seconds)}\nand\n{whole}",
            labels=by_server,
            severity=Severity.PAGE,
            summary=(
                "A new request to {{ $labels.model }} would wait "
                "{{ if gt $value 86400.0 }}for ever (nothing finishes){{ else }}{{ $value | humanizeDuration }}{{ end }} "
                f"in the queue of {{{{ $labels.server }}}}; the objective is {promql.number(objective.queue_wait_seconds)} s."
            ),
            for_seconds=timing.hold(60),
            keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            objective=parameters.pattern(objective),
        )
        for objective, models in parameters.by_model()
    )
    return Fault(
        name="QueueBacklog",
        family=Family.CAPACITY,
        meaning="Requests arrive faster than the server finishes them, and the queue is longer than users will wait.",
        impact="Every new request waits longer than the objective before it is even started; clients begin to time out.",
        recordings=(
            Recording(name=COMPLETED_RATE, expr=completed),
            Recording(
                name=PREDICTED_WAIT, expr=f"{promql.sum_by(by_server, str(s.REQUESTS_WAITING))} / {COMPLETED_RATE}"
            ),
        ),
        rules=rules,
        panel=Panel(
            title="Predicted wait of a new request",
            description="Waiting requests divided by the rate at which requests finish (Little's law).",
            queries=((promql.select(PREDICTED_WAIT, 'model=~"$model"'), "{{model}} {{server}}"),),
            unit="s",
            limit=min(objective.queue_wait_seconds for objective in parameters.objectives),
        ),
        why=(
            "The wait that the queue means, by Little's law (waiting requests / completion rate), is compared with what "
            "users were promised. A fixed depth would page on fast models and stay silent on slow ones."
        ),
        look_alike="A burst that fills the queue for less than a minute, and a long queue that moves fast.",
        inhibits=(Inhibition(targets=("TimeToFirstTokenSloBurn",), equal=("namespace", "model")),),
        scenario="queue_backlog",
    )


def _kv_cache_pressure(parameters: Parameters) -> Fault:
    timing, limit = parameters.timing, promql.number(parameters.limits.kv_cache_usage_ratio)
    by_server = c.SERVER_LABELS
    window = timing.window(120)
    # Preemption frees blocks, so a single reading in the middle of thrashing can show 0.45 (measured on vLLM 0.32):
    # the highest reading of the window is what the cache was really at.
    usage = f"max by ({', '.join(by_server)}) (max_over_time({s.KV_CACHE_USAGE}[{window}]))"
    preempted = promql.sum_by(by_server, promql.rate(s.PREEMPTIONS, window))
    share = promql.number(parameters.limits.preempted_requests_ratio)
    waiting = promql.sum_by(by_server, f"avg_over_time({s.REQUESTS_WAITING}[{window}])")
    return Fault(
        name="KvCachePressure",
        family=Family.CAPACITY,
        meaning="The KV cache is full: running requests are thrown out and computed again while others wait for room.",
        impact="Answers stall in the middle and start late; the GPU spends its time on work it has done before.",
        rules=(
            Rule(
                expr=f"{usage} > {limit}\nand\n{preempted} > {share} * {COMPLETED_RATE}\nand\n{waiting} >= 1",
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
            Inhibition(targets=("QueueBacklog",), equal=("server", "model")),
            Inhibition(targets=("TimeToFirstTokenSloBurn",), equal=("namespace", "model")),
        ),
        scenario="kv_pressure",
    )
