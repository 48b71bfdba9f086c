"""What autoscalers ask for and get, and how soon a new replica helps.

Autoscalers tell of a model, without the namespace of its servers: panels of theirs take matchers of clusters and models alone.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.capacity.autoscaling import LACKING, LEFT
from atlas_ops.catalog.faults.capacity.cold_start import LOAD, USUAL_LOAD
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Limit, Number, Query
from atlas_ops.render.dashboards.parts.requests import legend
from atlas_ops.render.dashboards.variables import CLUSTER, LABELS

_BY_NAME = (c.MODEL, LABELS[CLUSTER])


def missing_now(*matchers: str) -> Number:
    """Return how many replicas are asked for that are not ready."""
    return Number(
        key="replicas-missing",
        title="Replicas missing",
        shows="Replicas that the autoscalers ask for, less those that are ready.",
        worry="it stays above zero for longer than a model takes to load.",
        faults=("AutoscalingCascade", "ColdStartSlow"),
        empty="where no autoscaler tells of the model",
        query=Query(expr=f"sum({promql.select(LACKING, *matchers)})", legend="missing"),
        unit="short",
    )


def replicas(*matchers: str, width: int = 8) -> Chart:
    """Return the replicas that an autoscaler asks for, has, and may have."""
    counts = ((s.REPLICAS_DESIRED, "asked for"), (s.REPLICAS_READY, "ready"), (s.REPLICAS_MAXIMUM, "at most"))
    return Chart(
        key="replicas",
        title="Replicas",
        shows="Replicas that the autoscaler asks for, those that are ready, and how many it may ask for.",
        worry="it asks for more and more and they do not become ready, or it asks for all that it may.",
        faults=("AutoscalingCascade", "AutoscalerAtMaximum"),
        empty="where no autoscaler tells of the model",
        queries=tuple(
            Query(expr=promql.sum_by(_BY_NAME, promql.select(signal, *matchers)), legend=f"{legend(_BY_NAME)} {word}")
            for signal, word in counts
        ),
        unit="short",
        width=width,
    )


def away(*matchers: str, width: int = 8) -> Chart:
    """Return the replicas that are missing, and those that could still come."""
    return Chart(
        key="replicas-away",
        title="Replicas missing, and still to be had",
        shows="Asked for less ready, and at most less asked for.",
        worry="some stay missing, or none is left while requests wait.",
        faults=("AutoscalingCascade", "AutoscalerAtMaximum"),
        empty="where no autoscaler tells of the model",
        queries=(
            Query(expr=promql.select(LACKING, *matchers), legend=f"{legend(_BY_NAME)} missing"),
            Query(expr=promql.select(LEFT, *matchers), legend=f"{legend(_BY_NAME)} still to be had"),
        ),
        unit="short",
        width=width,
    )


def cold_starts(by: tuple[str, ...], *matchers: str, parameters: Parameters, width: int = 8) -> Chart:
    """Return how long servers take to load their model, against what is usual."""
    return Chart(
        key="cold-starts",
        title="Time to load the model",
        shows="How long the slowest server took from its start until it was ready, and what is usual: how soon a replica helps.",
        worry="it is a multiple of the usual.",
        faults=("ColdStartSlow",),
        empty="until a start has been seen from its beginning",
        queries=(
            Query(expr=f"max by ({', '.join(by)}) ({promql.select(LOAD, *matchers)})", legend=legend(by)),
            Query(
                expr=f"max by ({', '.join(by)}) ({promql.select(USUAL_LOAD, *matchers)})", legend=f"{legend(by)} usual"
            ),
        ),
        unit="s",
        limit=Limit(value=parameters.limits.cold_start_seconds),
        width=width,
    )
