"""Requests: how many, how they ended, and how many are being worked on or wait."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.render.dashboards.panels import Chart, Query

WINDOW = "$__rate_interval"


def by_outcome(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return requests per second by how they ended."""
    ended = promql.sum_by((*by, "outcome"), promql.rate(s.REQUESTS, WINDOW, *matchers))
    return Chart(
        key="requests-by-outcome",
        title="Requests per second, by how they ended",
        shows="Requests that ended, by outcome; `cancelled` are users who gave up.",
        worry="errors, timeouts or rejections rise while `ok` falls.",
        faults=("AvailabilitySloBurn", "RequestsRejected", "EngineStalled"),
        queries=(Query(expr=ended, legend=f"{legend(by)} {{{{outcome}}}}"),),
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
            Query(expr=promql.sum_by(by, promql.select(signal, *matchers)), legend=f"{legend(by)} {word}")
            for signal, word in ((s.REQUESTS_RUNNING, "running"), (s.REQUESTS_WAITING, "waiting"))
        ),
        unit="short",
    )


def legend(by: tuple[str, ...]) -> str:
    """Return the legend that names series by these labels."""
    return " ".join(f"{{{{{label}}}}}" for label in by)
