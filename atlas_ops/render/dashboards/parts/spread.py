"""How the replicas of a model differ: one that is slower than its peers, or gets more of the work."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.faults.availability import straggler
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Limit, Query
from atlas_ops.render.dashboards.parts.replicas import TO_SERVER
from atlas_ops.render.dashboards.parts.requests import legend

_BY = (c.SERVER, c.HOST_NAME, c.MODEL)
_TOO_LITTLE = "while there is too little work to tell"


def load(*matchers: str) -> Chart:
    """Return how much each replica has to do."""
    return Chart(
        key="replicas-load",
        title="Work of each replica",
        shows="Tokens that go in and come out in a second; requests, where no tokens are told.",
        worry="one gets much more or much less than the others: the balancer does not spread the load.",
        faults=("ReplicaStraggler",),
        queries=(_of_replica(straggler.LOAD, *matchers),),
        unit="short",
        links=(TO_SERVER,),
        width=12,
    )


def pace(*matchers: str) -> Chart:
    """Return how long each replica takes for a token."""
    return Chart(
        key="replicas-pace",
        title="Time for a token, by replica",
        shows="Mean time between two tokens; of a whole request, where a runtime does not tell that.",
        worry="one is above the others all the time.",
        faults=("ReplicaStraggler", "InterTokenLatencySloBurn"),
        empty=_TOO_LITTLE,
        queries=(_of_replica(straggler.PACE, *matchers),),
        unit="s",
        links=(TO_SERVER,),
        width=12,
    )


def slowness(parameters: Parameters, *matchers: str) -> Chart:
    """Return how slow each replica is against its peers."""
    return Chart(
        key="replicas-slowness",
        title="Slowness against peers",
        shows="Time of each replica for a token, by the median of its peers on the same kind of GPU; more work excuses as much.",
        worry="one stays above the line.",
        faults=("ReplicaStraggler",),
        empty=f"{_TOO_LITTLE}, or fewer than three replicas to compare",
        queries=(_of_replica(straggler.SLOWNESS, *matchers),),
        unit="short",
        limit=Limit(value=parameters.limits.straggler_slowness_ratio),
        links=(TO_SERVER,),
        width=12,
    )


def _of_replica(recording: str, *matchers: str) -> Query:
    return Query(expr=promql.select(recording, *matchers), legend=legend(_BY))
