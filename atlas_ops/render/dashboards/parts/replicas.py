"""The replicas of a model: how many there are and are ready, and what each does, with the way to its own dashboard."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards import variables
from atlas_ops.render.dashboards.panels import Chart, Column, Limit, Link, Number, Query, Table
from atlas_ops.render.dashboards.parts import membership
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend
from atlas_ops.render.dashboards.parts.servers import YES, YES_NO

TO_SERVER = Link(title="This server", board="server", variables={variables.SERVER: c.SERVER, variables.MODEL: c.MODEL})
"""For series and rows that have both labels."""


def share_ready(timing: Timing, by: tuple[str, ...], *matchers: str) -> Number:
    """Return the share of replicas that are ready."""
    known, ready = _counts(timing, by, *matchers)
    return Number(
        key="replicas-ready",
        title="Replicas ready",
        shows="Share of the replicas known in the last hour that answer, and do not say that they are not ready.",
        worry="it is below one for longer than a model takes to load.",
        faults=("ModelServerDown", "ModelNotReady"),
        query=Query(expr=f"{ready} / {known}", legend=legend(by)),
        unit="percentunit",
        limit=YES,
    )


def count(timing: Timing, by: tuple[str, ...], *matchers: str) -> Chart:
    """Return how many replicas there are, are ready, and are asked for."""
    counted = zip(_counts(timing, by, *matchers), ("known", "ready"), strict=True)
    asked = (
        (promql.sum_by(by, promql.select(signal, *matchers)), word)
        for signal, word in ((s.REPLICAS_DESIRED, "asked for"), (s.REPLICAS_MAXIMUM, "at most"))
    )
    return Chart(
        key="replicas",
        title="Replicas",
        shows="Replicas known in the last hour, those ready, and, where an autoscaler tells it, how many it asks for and may.",
        worry="fewer are ready than are asked for, for longer than a model takes to load.",
        faults=("ModelNotReady", "AutoscalingCascade", "AutoscalerAtMaximum"),
        empty="for what is asked for, where no autoscaler tells it",
        queries=tuple(Query(expr=expr, legend=f"{word} {legend(by)}") for expr, word in (*counted, *asked)),
        unit="short",
        width=12,
    )


def table(timing: Timing, *matchers: str) -> Table:
    """Return one line for each replica: what it is doing, with a link to its own dashboard."""
    columns = (Column(source=label, title=title, links=links) for label, title, links in _LABELS)
    values = _values(timing, *matchers)
    return Table(
        key="replicas-table",
        title="Replicas",
        shows="One line for each replica known in the last hour. A click on the server leads to its own dashboard.",
        worry="one is not ready, or does less than the others while requests wait.",
        faults=("ModelServerDown", "ModelNotReady", "ReplicaStraggler"),
        queries=tuple(Query(expr=expr, legend=title.lower()) for expr, title, _, _ in values),
        columns=(
            *columns,
            *(
                Column(source=f"Value #{letter}", title=title, unit=unit, limit=limit)
                for letter, (_, title, unit, limit) in zip("BCDEFG", values[1:], strict=True)
            ),
        ),
        width=24,
    )


_LABELS: tuple[tuple[str, str, tuple[Link, ...]], ...] = (
    (c.SERVER, "Server", (TO_SERVER,)),
    (c.MODEL, "Model", ()),
    (c.K8S_POD, "Pod", ()),
    (c.HOST_NAME, "Node", ()),
    (membership.CLUSTER, "Cluster", ()),
    ("state", "Last scrape", ()),
)


def _values(timing: Timing, *matchers: str) -> tuple[tuple[str, str, str, Limit | None], ...]:
    """Return (PromQL, title, unit, limit) of each; the first is there for its labels."""
    by = membership.REPLICA
    state = f"({membership.told(s.SERVER_SCRAPE_STATE, *matchers, by=('state',))} == 1)"
    running, waiting = (
        promql.sum_by(by, promql.select(one, *matchers)) for one in (s.REQUESTS_RUNNING, s.REQUESTS_WAITING)
    )
    requests, tokens = (
        promql.sum_by(by, promql.rate(one, WINDOW, *matchers)) for one in (s.REQUESTS, s.GENERATION_TOKENS)
    )
    kv_cache = f"max by ({', '.join(by)}) ({promql.select(s.KV_CACHE_USAGE, *matchers)})"
    return (
        (membership.with_model(state, timing, *matchers, keeping=("state",)), "Last scrape", "", None),
        (membership.ready(timing, *matchers), "Ready", YES_NO, YES),
        (requests, "Requests", "reqps", None),
        (running, "Running", "short", None),
        (waiting, "Waiting", "short", None),
        (tokens, "Tokens/s", "short", None),
        (kv_cache, "KV cache", "percentunit", None),
    )


def _counts(timing: Timing, by: tuple[str, ...], *matchers: str) -> tuple[str, str]:
    """Return PromQL for the number of replicas that are known, and of those that are ready."""
    labels = ", ".join(by)
    known = f"count by ({labels}) ({membership.known(timing, *matchers)})"
    return known, f"(count by ({labels}) ({membership.ready_ones(timing, *matchers)}) or 0 * {known})"
