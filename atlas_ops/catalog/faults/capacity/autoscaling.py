"""AutoscalingCascade and AutoscalerAtMaximum: an autoscaler asks for ever more replicas and gets no relief, or may ask for no more.

An autoscaler tells of a model; the runtime and the namespace that it names need not be those of the servers (Ray Serve's has no
namespace, and the runtime `ray_serve` where vLLM serves). So everything here meets on the model alone, and
fleets of one model count together.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.capacity.queue import COMPLETED_RATE, HOW_LONG
from atlas_ops.catalog.faults.capacity.rejection import rejected_ratio
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Objective, Parameters

LACKING = "model:atlas_replicas_lacking:count"
LEFT = "model:atlas_replicas_left:count"
MODEL_WAIT = "model:atlas_queue_wait:predicted_seconds"
_BY_NAME = (c.MODEL,)


def cascade(parameters: Parameters) -> Fault:
    """Return AutoscalingCascade."""
    desired, ready, waiting = (
        promql.sum_by(_BY_NAME, str(signal)) for signal in (s.REPLICAS_DESIRED, s.REPLICAS_READY, s.REQUESTS_WAITING)
    )
    return Fault(
        name="AutoscalingCascade",
        family=Family.CAPACITY,
        meaning="The autoscaler asks for more and more replicas, they do not become ready, and the queue does not fall.",
        impact="Users wait longer and longer; every new replica loads its model from the same place and delays the others.",
        recordings=(
            Recording(name=LACKING, expr=f"{desired} - {ready}"),
            Recording(name=MODEL_WAIT, expr=f"{waiting} / {promql.sum_by(_BY_NAME, COMPLETED_RATE)}"),
        ),
        rules=tuple(_cascade_rule(parameters, objective, models) for objective, models in parameters.by_model()),
        panel=Panel(
            title="Replicas asked for that are not ready",
            description="Asked for less ready. A cascade: it stays up and rises in steps while the predicted wait rises too.",
            queries=(
                (promql.select(LACKING, 'model=~"$model"'), "not ready {{model}}"),
                (promql.select(MODEL_WAIT, 'model=~"$model"'), "predicted wait {{model}} in s"),
            ),
            unit="short",
        ),
        why=(
            "A scale-up that works is one or two steps, after which the queue falls. Three steps in a quarter of an hour, "
            "replicas missing for ten minutes and a wait above the objective that does not fall are the loop that feeds "
            "itself. Fleets of one model count together, in whatever namespace they are."
        ),
        look_alike="One ordinary scale-up, scaling to zero and back, and a rolling deploy.",
        inhibits=(
            Inhibition(
                targets=(
                    "QueueBacklog",
                    "RequestsRejected",
                    "TimeToFirstTokenSloBurn",
                    "RequestLatencySloBurn",
                    "AutoscalerAtMaximum",
                ),
                equal=("model",),
            ),
        ),
        scenario="autoscaling_cascade",
    )


def _cascade_rule(parameters: Parameters, objective: Objective, models: str) -> Rule:
    timing, limits = parameters.timing, parameters.limits
    now = f"avg_over_time({MODEL_WAIT}[{timing.window(120)}]"
    falling = f"{now}) >= {promql.number(limits.wait_falling_ratio)} * {now} offset {timing.window(limits.wait_falling_seconds)})"
    steps = f"{s.REPLICAS_DESIRED}[{timing.window(limits.autoscaling_rises_seconds)}]"
    # A gauge that changes and does not fall rises.
    rises = f"max by ({c.MODEL}) (changes({steps}) - resets({steps})) > {promql.number(limits.autoscaling_rises)}"
    lag = f"min_over_time({LACKING}[{timing.window(limits.autoscaling_lag_seconds)}]) > 0"
    late = f"{promql.select(MODEL_WAIT, models)} > {promql.number(objective.queue_wait_seconds)}"
    return Rule(
        expr="\nand\n".join((late, falling, rises, lag)),
        labels=_BY_NAME,
        severity=Severity.PAGE,
        summary=(
            "The autoscaler asks for ever more replicas of {{ $labels.model }}, they are not ready, and a new request would "
            f"wait {HOW_LONG}."
        ),
        for_seconds=timing.hold(60),
        keep_firing_seconds=timing.hold(OUTLAST_SECONDS),
        objective=parameters.pattern(objective),
    )


def at_maximum(parameters: Parameters) -> Fault:
    """Return AutoscalerAtMaximum."""
    timing, limits = parameters.timing, parameters.limits
    window = timing.window(1800)
    desired, maximum = (promql.sum_by(_BY_NAME, str(signal)) for signal in (s.REPLICAS_DESIRED, s.REPLICAS_MAXIMUM))
    # One that was not watched for the whole window says nothing.
    stuck = f"max_over_time({LEFT}[{window}]) <= 0\nand\n{LEFT} offset {window}"
    waiting = f"avg by ({c.MODEL}) (avg_over_time({s.REQUESTS_WAITING}[{window}])) >= 1"
    away = f"{rejected_ratio(_BY_NAME, window)} > {promql.number(limits.rejected_requests_ratio)}"
    return Fault(
        name="AutoscalerAtMaximum",
        family=Family.CAPACITY,
        meaning="The autoscaler has asked for as many replicas as it may for a long time, and they are not enough.",
        impact="Requests wait or are refused at every peak, and no further replica will come.",
        recordings=(Recording(name=LEFT, expr=f"{maximum} - {desired}"),),
        rules=(
            Rule(
                expr=f"{maximum}\nand\n{stuck}\nand\n(\n  {waiting}\n  or\n  {away}\n)",
                labels=_BY_NAME,
                severity=Severity.TICKET,
                summary=(
                    "The autoscaler of {{ $labels.model }} has been at its maximum of {{ $value }} replicas for "
                    f"{promql.duration(timing.hold(1800))}, and requests still wait or are refused."
                ),
            ),
        ),
        panel=Panel(
            title="Replicas that the autoscaler may still add",
            description="Maximum less asked for. Zero is no fault by itself: it is one while requests wait or are refused.",
            queries=((promql.select(LEFT, 'model=~"$model"'), "{{model}}"),),
            unit="short",
        ),
        why=(
            "A fleet at its maximum may be just right. Half an hour at the maximum with a request waiting on the average "
            "server, or one in twenty refused, is demand that the maximum does not meet."
        ),
        look_alike="A fleet of a fixed size, or one at its maximum during the daily peak, with nobody waiting.",
        inhibits=(Inhibition(targets=("CapacityHeadroomLow",), equal=("model",)),),
        scenario="autoscaler_at_maximum",
    )
