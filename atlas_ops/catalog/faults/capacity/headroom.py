"""CapacityHeadroomLow: the daily peak of a model comes near what its servers can carry, days before it hurts."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import past
from atlas_ops.catalog.model import Family, Fault, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Parameters

USED = "server:atlas_capacity_used:ratio"
MODEL_USED = "model:atlas_capacity_used:ratio_avg15m"


def low(parameters: Parameters) -> Fault:
    """Return CapacityHeadroomLow."""
    timing, limits = parameters.timing, parameters.limits
    used, long = promql.number(limits.capacity_used_ratio), promql.number(timing.hold(limits.capacity_used_seconds))
    above = f"sum_over_time({past.day(f'({MODEL_USED} > bool {used})', timing)})"
    return Fault(
        name="CapacityHeadroomLow",
        family=Family.CAPACITY,
        meaning="The servers of the model were nearly full for a long part of the last day; there is little left for growth.",
        impact="Nobody yet. With more traffic, or one server less, queues grow at the daily peak and users wait.",
        recordings=(Recording(name=USED, expr=_used()), Recording(name=MODEL_USED, expr=_model_used(parameters))),
        rules=(
            Rule(
                expr=f"{above} * {promql.number(timing.hold(past.STEP_SECONDS))} > {long}",
                labels=c.MODEL_LABELS,
                severity=Severity.TICKET,
                summary=(
                    "The servers of {{ $labels.model }} were more than "
                    f"{promql.number(limits.capacity_used_ratio * 100)} % full for {{{{ $value | humanizeDuration }}}} of the "
                    "last day."
                ),
            ),
        ),
        panel=Panel(
            title="Capacity in use",
            description="Slots or KV cache, whichever is fuller, as the mean of the model's servers over 15 minutes.",
            queries=((promql.select(MODEL_USED, 'model=~"$model"'), "{{model}}"),),
            unit="percentunit",
            limit=limits.capacity_used_ratio,
        ),
        why=(
            "Little's law: what runs is arrivals times their time in the server, so the share of slots or KV cache in use "
            "is the load. Where an autoscaler tells its maximum, replicas that it may still add count as free. Runtimes "
            "that tell neither slots nor a KV cache are not covered."
        ),
        look_alike="A peak that is over within the hour, and an autoscaler that keeps its replicas full and may add more.",
        scenario="capacity_headroom_low",
    )


def _used() -> str:
    """Return the fuller of slots and KV cache by server, where a runtime tells both, or the one that it tells."""
    running = promql.sum_by(c.SERVER_LABELS, str(s.REQUESTS_RUNNING))
    slots = f"{running} / {promql.sum_by(c.SERVER_LABELS, str(s.REQUESTS_CAPACITY))}"
    return f"max by ({', '.join(c.SERVER_LABELS)}) ({promql.together(str(s.KV_CACHE_USAGE), slots)})"


def _model_used(parameters: Parameters) -> str:
    mean = f"avg by ({', '.join(c.MODEL_LABELS)}) (avg_over_time({USED}[{parameters.timing.window(900)}]))"
    # An autoscaler tells of a model, whatever runtime and namespace its servers name.
    there = f"{promql.sum_by((c.MODEL,), str(s.REPLICAS_READY))} / {promql.sum_by((c.MODEL,), str(s.REPLICAS_MAXIMUM))}"
    return f"{mean} * on ({c.MODEL}) group_left () ({there})\nor\n{mean}"
