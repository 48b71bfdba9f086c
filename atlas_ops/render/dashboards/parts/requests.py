"""Requests: how many, how they ended, and how many are being worked on or wait."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Limit, Number, Palette, Query

WINDOW = "$__rate_interval"


def per_second(by: tuple[str, ...], *matchers: str) -> Number:
    """Return requests per second, however they ended."""
    return Number(
        key="requests-per-second",
        title="Requests per second",
        shows="Requests that ended, whatever came of them.",
        worry="it falls while requests wait, or rises beyond what the replicas have ever carried.",
        faults=("EngineStalled",),
        query=Query(expr=promql.sum_by(by, promql.rate(s.REQUESTS, WINDOW, *matchers)), legend=legend(by)),
        unit="reqps",
        trend=True,
    )


def answered(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Number:
    """Return the share of requests that got their answer, of those that no client cancelled."""
    asked, good = (
        promql.sum_by(by, promql.rate(s.REQUESTS, WINDOW, outcome, *matchers))
        for outcome in ('outcome!="cancelled"', 'outcome="ok"')
    )
    return Number(
        key="requests-answered",
        title="Requests answered",
        shows="Share of the requests that ended well just now. Those that clients gave up do not count.",
        worry="it stays below what users were promised.",
        faults=("AvailabilitySloBurn",),
        query=Query(expr=f"{good} / {asked}", legend=legend(by)),
        unit="percentunit",
        limit=Limit(value=max(one.availability_target for one in parameters.objectives), below=True),
    )


def by_outcome(*matchers: str) -> Chart:
    """Return requests per second by how they ended, of everything that is chosen together."""
    ended = promql.sum_by(("outcome",), promql.rate(s.REQUESTS, WINDOW, *matchers))
    return Chart(
        key="requests-by-outcome",
        title="Requests per second, by how they ended",
        shows="Requests that ended, by outcome, of all that is chosen; `cancelled` are users who gave up.",
        worry="errors, timeouts or rejections rise while `ok` falls.",
        faults=("AvailabilitySloBurn", "RequestsRejected", "EngineStalled"),
        queries=(Query(expr=ended, legend="{{outcome}}"),),
        unit="reqps",
        stacked=True,
    )


def present(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return requests that run and requests that wait."""
    return Chart(
        key="requests-present",
        title="Requests running and waiting",
        shows="Requests being executed, and requests in the queue.",
        worry="the queue grows while the number running stands still.",
        faults=("QueueBacklog", "EngineStalled"),
        queries=tuple(
            Query(
                expr=promql.sum_by(by, promql.select(signal, *matchers)), legend=f"{word} {legend(by)}", colour=colour
            )
            for signal, word, colour in (
                (s.REQUESTS_RUNNING, "running", Palette.QUIET),
                (s.REQUESTS_WAITING, "waiting", Palette.WARNING),
            )
        ),
        unit="short",
    )


def rejected(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Chart:
    """Return the share of requests that were turned away."""
    away, every = (
        promql.sum_by(by, promql.rate(s.REQUESTS, WINDOW, outcome, *matchers)) for outcome in ('outcome="rejected"', "")
    )
    return Chart(
        key="requests-rejected",
        title="Requests turned away",
        shows="Share of all requests that the servers refused, because a queue was full or nobody was there to take them.",
        worry="it stays above the line. Not every runtime counts what it refuses.",
        faults=("RequestsRejected",),
        queries=(Query(expr=f"{away} / {every}", legend=legend(by)),),
        unit="percentunit",
        limit=Limit(value=parameters.limits.rejected_requests_ratio),
    )


def legend(by: tuple[str, ...]) -> str:
    """Return the legend that names series by these labels."""
    return " ".join(f"{{{{{label}}}}}" for label in by)
