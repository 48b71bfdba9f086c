"""Whether other work explains that a model is slower: longer prompts, or more traffic than it can take at once.

Used by `regression` and `mean`, which are about the model and its servers. What is here has alerts of its own:
`WorkloadMixShift` for prompts, `QueueBacklog` and `CapacityHeadroomLow` for traffic.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.latency import usual
from atlas_ops.catalog.model import Recording, Signal
from atlas_ops.catalog.parameters import Parameters, Timing

MOVED = "model:atlas_workload_moved:ratio"
"""There while other work explains the slowness, and only then."""
_PROMPT = "model:atlas_request_prompt_tokens:mean30m"
_WAIT = "model:atlas_queue_time:mean30m"
_LATENCY = "model:atlas_latency:mean30m"
_REQUESTS = "model:atlas_latency_requests:increase1h"
_WINDOW, _DAY, _WEEK = 1800.0, 86400.0, 604800.0


def recordings(parameters: Parameters) -> tuple[Recording, ...]:
    """Return the means that are compared, and the verdict."""
    timing = parameters.timing
    first_token, whole = _mean(s.TIME_TO_FIRST_TOKEN, timing), _mean(s.REQUEST_DURATION, timing)
    return (
        Recording(name=_PROMPT, expr=_mean(s.REQUEST_PROMPT_TOKENS, timing)),
        Recording(name=_WAIT, expr=_mean(s.QUEUE_TIME, timing)),
        Recording(name=_LATENCY, expr=f"{first_token} >= 0\nor\n{whole}"),
        Recording(name=_REQUESTS, expr=f"max by ({', '.join(c.MODEL_LABELS)}) ({usual.HOURLY})"),
        Recording(name=MOVED, expr=_moved(parameters)),
    )


def _mean(signal: Signal, timing: Timing) -> str:
    total, number = (
        promql.sum_by(c.MODEL_LABELS, promql.increase(f"{signal}_{part}", timing.window(_WINDOW)))
        for part in ("sum", "count")
    )
    return f"{total} / {number}"


def _moved(parameters: Parameters) -> str:
    limits, timing = parameters.limits, parameters.timing

    def before(name: str) -> str:
        return f"({name} offset {timing.window(_WEEK)} or {name} offset {timing.window(_DAY)})"

    ratio = promql.number(limits.workload_moved_ratio)
    longer = f"{_PROMPT} / {before(_PROMPT)} > {ratio}"
    more = f"{_REQUESTS} / {before(_REQUESTS)} > {ratio}"
    # A slower model makes a queue as well. It is the traffic's queue where there is more traffic, and where waiting is
    # what most of the additional time is spent on.
    part = promql.number(limits.queue_explains_ratio)
    waiting = f"{_WAIT} - {before(_WAIT)} > {part} * ({_LATENCY} - {before(_LATENCY)})"
    return f"{longer}\nor\n({more} and {waiting})"
