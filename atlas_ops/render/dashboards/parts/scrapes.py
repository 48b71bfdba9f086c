"""Who answers: model servers to the exporters, exporters to Prometheus."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Timing
from atlas_ops.render.dashboards.panels import Chart, Limit, Number, Palette, Query, States

_JOB = f'job="{c.EXPORTER_JOB}"'
NO_EXPORTER = "where Prometheus scrapes all servers itself, so that there is no exporter"


def servers_answering(*matchers: str) -> Number:
    """Return how many model servers answer."""
    return Number(
        key="servers-answering",
        title="Servers answering",
        shows="Model servers whose last scrape worked.",
        worry="it is less than the number that you run.",
        faults=("ModelServerDown",),
        query=Query(expr=f"sum({promql.select(s.SERVER_UP, *matchers)})", legend="answer"),
        unit="short",
    )


def servers_silent(*matchers: str) -> Number:
    """Return how many model servers do not answer."""
    return _silent("servers-silent", "Servers silent", promql.select(s.SERVER_UP, *matchers), "ModelServerDown")


def exporters_silent(*matchers: str) -> Number:
    """Return how many exporters do not answer."""
    up = promql.select("up", _JOB, *matchers)
    return replace(_silent("exporters-silent", "Exporters silent", up, "ExporterDown"), empty=NO_EXPORTER)


def _silent(key: str, title: str, up: str, *faults: str) -> Number:
    return Number(
        key=key,
        title=title,
        shows="How many did not answer the last time they were asked.",
        worry="there is one for longer than a restart takes.",
        faults=faults,
        # Nothing where nobody is known: zero would say that all is well.
        query=Query(expr=f"sum(1 - {up})", legend="do not answer"),
        unit="short",
        limit=Limit(value=1),
    )


def servers_by_state(*matchers: str) -> Chart:
    """Return how the last scrapes of model servers ended."""
    scraped = promql.select(s.SERVER_SCRAPE_STATE, *matchers)
    return Chart(
        key="servers-by-state",
        title="Model servers, by how their last scrape ended",
        shows="`starting` is within the grace of a start; `empty`, `disabled` and `unauthorized` pages answer and tell nothing.",
        worry="anything but `ok` stays for longer than a rollout.",
        faults=("ModelServerDown", "ServerMetricsDisabled"),
        queries=(Query(expr=promql.sum_by(("state",), f"{scraped} == 1"), legend="{{state}}"),),
        unit="short",
        stacked=True,
        width=12,
    )


def exporters(*matchers: str) -> States:
    """Return which exporters answered Prometheus, and when."""
    return States(
        key="exporters",
        title="Exporters",
        shows="Whether Prometheus's scrape of each exporter worked.",
        worry="one is red for longer than a restart takes: nothing is known of its node.",
        faults=("ExporterDown",),
        empty=NO_EXPORTER,
        queries=(Query(expr=f"max by (instance) ({promql.select('up', _JOB, *matchers)})", legend="{{instance}}"),),
        states={0.0: ("silent", Palette.BAD), 1.0: ("answers", Palette.GOOD)},
        width=12,
    )


def scrape_duration(timing: Timing, *matchers: str) -> Chart:
    """Return how long Prometheus's scrapes of the exporters take."""
    return Chart(
        key="scrape-duration",
        title="Time that a scrape takes",
        shows="How long Prometheus waits for the page of an exporter: the highest and the median.",
        worry="it comes near the red line, which is the interval between scrapes.",
        faults=("ExporterDown",),
        empty=NO_EXPORTER,
        queries=extremes(promql.select("scrape_duration_seconds", _JOB, *matchers)),
        unit="s",
        limit=Limit(value=timing.scrape_seconds),
    )


def extremes(expr: str) -> tuple[Query, ...]:
    """Return the highest and the median of many series: a thousand exporters would be a thousand lines."""
    return (Query(expr=f"max({expr})", legend="highest"), Query(expr=f"quantile(0.5, {expr})", legend="median"))


def discovered_servers(*matchers: str) -> Chart:
    """Return how many servers the exporters found, by where they looked."""
    found = promql.sum_by(("source",), promql.select(s.EXPORTER_DISCOVERED_SERVERS, *matchers))
    return Chart(
        key="discovered-servers",
        title="Servers found, by where",
        shows="How many model servers the exporters know from their settings, files, Kubernetes and so on.",
        worry="it falls although nothing was taken away.",
        faults=("GaugesFrozen",),
        empty="where exporters do not look for servers",
        queries=(Query(expr=found, legend="{{source}}"),),
        unit="short",
        width=12,
    )
