"""Black-box requests: what a small request gets that is sent as a user would send it."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.render.dashboards.panels import Chart, Palette, Query, States
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend

_NOT_ASKED = "where no probe is configured"


def answered(*matchers: str) -> States:
    """Return whether the last black-box request of each server was answered, over time."""
    by = (c.SERVER, c.HOST_NAME, c.MODEL, c.API)
    return States(
        key="probe-answered",
        title="Black-box requests that were answered",
        shows="Whether the last request of the probe was answered to its end; an error inside HTTP 200 is no answer.",
        worry="it fails while the server says that it is well: users get the same.",
        faults=("ProbeFailing",),
        empty=_NOT_ASKED,
        queries=(
            Query(expr=f"min by ({', '.join(by)}) ({promql.select(s.PROBE_SUCCESS, *matchers)})", legend=legend(by)),
        ),
        states={1.0: ("answered", Palette.GOOD), 0.0: ("failed", Palette.BAD)},
        width=12,
    )


def results(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return black-box requests by how they ended."""
    ended = promql.sum_by((*by, "result"), promql.increase(s.PROBES, WINDOW, *matchers))
    return Chart(
        key="probe-results",
        title="Black-box requests, by how they ended",
        shows="Requests of the probe from one point of the chart to the next; `not_sent` and `unauthorized` are its own fault.",
        worry="any but `ok` come again and again.",
        faults=("ProbeFailing",),
        empty=_NOT_ASKED,
        queries=(Query(expr=ended, legend=f"{{{{result}}}} {legend(by)}"),),
        unit="short",
        stacked=True,
        width=12,
    )
