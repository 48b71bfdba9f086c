"""RequestsRejected: servers turn requests away, because their queues are full or nobody is there to take them."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.faults.availability.slo import OUTCOMES
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters, Timing

REJECTED_RATIO = "model:atlas_requests_rejected:ratio_rate5m"
REJECTED = 'outcome="rejected"'
_REJECTED_COUNT = "model:atlas_requests_rejected:increase1m"


def rejected(parameters: Parameters) -> Fault:
    """Return RequestsRejected."""
    timing, limits, window = parameters.timing, parameters.limits, parameters.timing.window(300)
    limit, minimum = (
        promql.number(limit) for limit in (limits.rejected_requests_ratio, limits.rejected_requests_minimum)
    )
    enough = burn.once(f"sum_over_time({_REJECTED_COUNT}[{window}])", timing)
    return Fault(
        name="RequestsRejected",
        family=Family.CAPACITY,
        meaning="The servers of the model turn requests away instead of queueing them.",
        impact="Users get an error at once, often as HTTP 429 or 503, for streams sometimes inside an HTTP 200 answer.",
        recordings=(
            # Not the part of all outcomes: which runtimes tell this one is known from the signal.
            Recording(name=_REJECTED_COUNT, expr=_rejected(timing)),
            Recording(name=REJECTED_RATIO, expr=rejected_ratio(c.MODEL_LABELS, window)),
        ),
        rules=(
            Rule(
                expr=(
                    f"{REJECTED_RATIO} > {limit}\nand\n{enough} >= {minimum}\n"
                    f"and\n{rejected_ratio(c.MODEL_LABELS)} > {limit}"
                ),
                labels=c.MODEL_LABELS,
                severity=Severity.PAGE,
                summary=(
                    "{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} were turned away in five "
                    f"minutes (limit {promql.number(limits.rejected_requests_ratio * 100)} %)."
                ),
                for_seconds=timing.hold(120),
                keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
            ),
        ),
        panel=Panel(
            title="Requests turned away",
            description="Share of all requests that were rejected, over five minutes.",
            queries=((promql.select(REJECTED_RATIO, 'model=~"$model"'), "{{model}}"),),
            unit="percentunit",
            limit=limits.rejected_requests_ratio,
        ),
        why=(
            "A share of all requests, so that a fast model with a short queue is judged like a slow one; over five minutes "
            "and still in the last one. It can only see what a runtime counts: Triton counts nothing when its queue is "
            "full, vLLM counts whom it refuses only since 0.32, and TorchServe cannot tell what it refused from what failed."
        ),
        look_alike="A burst that overflows the queue for less than a minute, and a few rejections on a quiet model.",
        inhibits=(Inhibition(targets=("AvailabilitySloBurn",), equal=("namespace", "model")),),
        scenario="requests_rejected",
    )


def _rejected(timing: Timing) -> str:
    return promql.sum_by(c.MODEL_LABELS, promql.increase(s.REQUESTS, burn.counted(timing), REJECTED))


def rejected_ratio(labels: tuple[str, ...], window: str = "") -> str:
    """Return the share of requests that were turned away in a window, by labels; without one, in the last minute."""
    away, every = (
        promql.sum_by(labels, f"sum_over_time({counted}[{window}])" if window else counted)
        for counted in (_REJECTED_COUNT, OUTCOMES)
    )
    return f"{away} / {every}"
