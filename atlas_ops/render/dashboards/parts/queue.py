"""The queue in front of the servers, and the batches that they take from it."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.capacity.queue import PREDICTED_WAIT
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Limit, Number, Query
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend


def waiting(by: tuple[str, ...], *matchers: str) -> Number:
    """Return how many requests wait now."""
    return Number(
        key="requests-waiting",
        title="Requests waiting",
        shows="Requests that were accepted and are not being executed yet.",
        worry="it grows from minute to minute; the predicted wait says what that means for users.",
        faults=("QueueBacklog",),
        query=Query(expr=promql.sum_by(by, promql.select(s.REQUESTS_WAITING, *matchers)), legend=legend(by)),
        unit="short",
        trend=True,
    )


def predicted_wait(parameters: Parameters, by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return how long a new request would wait at the server with the longest queue."""
    return Chart(
        key="queue-predicted-wait",
        title="Predicted wait of a new request",
        shows=(
            "Requests that wait, divided by how many are finished in a second (Little's law), at the server where that is "
            "longest."
        ),
        worry="it is above the line for a minute: users wait longer than they were promised before anything is computed.",
        faults=("QueueBacklog",),
        queries=(
            Query(expr=f"max by ({', '.join(by)}) ({promql.select(PREDICTED_WAIT, *matchers)})", legend=legend(by)),
        ),
        unit="s",
        limit=Limit(value=min(objective.queue_wait_seconds for objective in parameters.objectives)),
        width=width,
    )


def batch_size(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return how many requests are executed together on average."""
    requests, batches = (
        promql.sum_by(by, promql.rate(counter, WINDOW, *matchers)) for counter in (s.BATCHED_REQUESTS, s.BATCHES)
    )
    return Chart(
        key="queue-batch-size",
        title="Requests in a batch",
        shows="Mean number of requests that were executed together.",
        worry="it stays near one while requests wait: then batching is off or cannot find requests that fit together.",
        queries=(Query(expr=f"{requests} / {batches}", legend=legend(by)),),
        unit="short",
    )
