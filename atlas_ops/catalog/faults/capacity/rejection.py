"""RequestsRejected: servers turn requests away, because their queues are full or nobody is there to take them."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters, Timing

REJECTED_RATE = "model:atlas_requests_rejected:rate5m"
RATE = "model:atlas_requests:rate5m"
REJECTED_RATIO = "model:atlas_requests_rejected:ratio_rate5m"
REJECTED = 'outcome="rejected"'
_WINDOW_SECONDS = 300.0


def rejected(parameters: Parameters) -> Fault:
    """Return RequestsRejected."""
    timing, limits = parameters.timing, parameters.limits
    limit, minimum = (
        promql.number(limit) for limit in (limits.rejected_requests_ratio, limits.rejected_requests_minimum)
    )
    enough = f"{REJECTED_RATE} * {promql.number(timing.window_seconds(_WINDOW_SECONDS))}"
    now = " / ".join(_rates(timing.window(60)))
    return Fault(
        name="RequestsRejected",
        family=Family.CAPACITY,
        meaning="The servers of the model turn requests away instead of queueing them.",
        impact="Users get an error at once, often as HTTP 429 or 503, for streams sometimes inside an HTTP 200 answer.",
        recordings=_recordings(timing),
        rules=(
            Rule(
                expr=f"{REJECTED_RATIO} > {limit}\nand\n{enough} >= {minimum}\nand\n{now} > {limit}",
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
            "full, vLLM refuses nobody before 0.32, and TorchServe cannot tell what it refused from what failed."
        ),
        look_alike="A burst that overflows the queue for less than a minute, and a few rejections on a quiet model.",
        inhibits=(Inhibition(targets=("AvailabilitySloBurn",), equal=("namespace", "model")),),
        scenario="requests_rejected",
    )


def _recordings(timing: Timing) -> tuple[Recording, ...]:
    away, every = _rates(timing.window(_WINDOW_SECONDS))
    return (
        Recording(name=REJECTED_RATE, expr=away),
        Recording(name=RATE, expr=every),
        Recording(name=REJECTED_RATIO, expr=f"{REJECTED_RATE} / {RATE}"),
    )


def _rates(window: str) -> tuple[str, str]:
    """Return the requests in a second that were turned away, and all of them, over a window."""
    away, every = (
        promql.sum_by(c.MODEL_LABELS, promql.rate(s.REQUESTS, window, outcome)) for outcome in (REJECTED, "")
    )
    return away, every
