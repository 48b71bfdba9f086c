"""MeanLatencyRegression: a model whose runtime tells only the mean of its latency is slower than it usually is.

A mean says nothing of the tail, and one long answer moves it. So means of five minutes are compared, of which a few may be
odd: the median of an hour with the highest of the same hour on earlier days.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.latency import tail, workload
from atlas_ops.catalog.model import Family, Fault, Panel, Quality, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Parameters, Timing

MEAN = "model:atlas_request_duration:mean5m"
REQUESTS = "model:atlas_request_duration_requests:rate5m"
TYPICAL = "model:atlas_request_duration:median1h"
UNDISTURBED = "model:atlas_request_duration_undisturbed:median1h"
USUAL = "model:atlas_request_duration:usual_seconds"
_MINUTES5, _HOUR, _DAY, _WEEK = 300.0, 3600.0, 86400.0, 604800.0
_DAYS_BEFORE = (_DAY, _WEEK, 2 * _WEEK, 3 * _WEEK, 4 * _WEEK)


def fault(parameters: Parameters) -> Fault:
    """Return the fault."""
    return Fault(
        name="MeanLatencyRegression",
        family=Family.LATENCY,
        meaning="Requests to a model take longer on average than they did at this time on any earlier day that is known.",
        impact="Users wait longer; by how much the slowest do, this runtime does not tell.",
        recordings=_recordings(parameters),
        rules=(_rule(parameters),),
        panel=Panel(
            title="Mean duration, times the usual",
            description="Median of the five-minute means of the last hour against the same hour of earlier days.",
            queries=(("{} / {}".format(promql.select(TYPICAL, 'model=~"$model"'), USUAL), "{{model}}"),),
            unit="none",
            limit=parameters.limits.mean_latency_ratio,
            empty="until a model whose servers tell only means has been measured for a day",
        ),
        why=(
            "Triton and TorchServe tell sums and counts and no buckets, so there is no tail to be compared. The median of "
            "twelve means does not follow a burst or one long answer, and it has to be higher by the margin than on every day "
            "that is known. It is only made for servers whose `atlas_signal_quality` says `mean_only`."
        ),
        look_alike="One very long answer, a burst of a few minutes, the slow hour of every day, and a model with little traffic.",
        scenario="mean_latency_regression",
    )


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    timing = parameters.timing
    total, number = (_rate(part, timing) for part in ("sum", "count"))
    window = f"[{timing.window(_HOUR)}:{timing.window(_MINUTES5)}]"
    fired = promql.select("ALERTS", 'alertname="MeanLatencyRegression"', 'alertstate="firing"')
    return (
        Recording(name=REQUESTS, expr=number),
        Recording(name=MEAN, expr=f"{total} / {REQUESTS}"),
        Recording(name=TYPICAL, expr=f"quantile_over_time(0.5, {MEAN}{window})"),
        Recording(
            name=UNDISTURBED,
            expr=f"{TYPICAL}\nunless {tail.ON_MODEL} last_over_time({fired}[{timing.window(_HOUR)}])",
        ),
        Recording(name=USUAL, expr=_usual(timing)),
    )


def _rate(part: str, timing: Timing) -> str:
    mean_only = promql.select(
        s.SIGNAL_QUALITY, f'signal="{s.REQUEST_DURATION}"', f'quality="{Quality.MEAN_ONLY.value}"'
    )
    rate = promql.rate(f"{s.REQUEST_DURATION}_{part}", timing.window(_MINUTES5))
    return promql.sum_by(c.MODEL_LABELS, f"{rate} and on ({', '.join(c.SERVER_IDENTITY)}) {mean_only}")


def _usual(timing: Timing) -> str:
    """Return the highest that is known of the same time: an hour before to an hour after it, on each day."""
    hour = timing.window(_HOUR)
    days = (
        promql.label_replace(
            f"max_over_time({UNDISTURBED}[{timing.window(3 * _HOUR)}:{hour}] offset {timing.window(ago - _HOUR)})",
            "ago",
            promql.duration(ago),
        )
        for ago in _DAYS_BEFORE
    )
    return f"max by ({', '.join(c.MODEL_LABELS)}) (\n  " + "\n  or ".join(days) + "\n)"


def _rule(parameters: Parameters) -> Rule:
    limits, timing = parameters.limits, parameters.timing
    ratio = promql.number(limits.mean_latency_ratio)
    least = promql.number(round(limits.mean_latency_least_requests / _HOUR, 9))
    return Rule(
        expr=(
            f"{TYPICAL} / {USUAL} > {ratio}\n"
            f"and avg_over_time({REQUESTS}[{timing.window(_HOUR)}]) >= {least}\n"
            f"unless {tail.ON_MODEL} {workload.MOVED}"
        ),
        labels=c.MODEL_LABELS,
        severity=Severity.TICKET,
        summary=(
            'Requests to {{ $labels.model }} take {{ $value | printf "%.1f" }} times as long on average as they did at this '
            "time on any earlier day."
        ),
        for_seconds=timing.hold(120),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
    )
