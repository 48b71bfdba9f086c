"""What exporters tell of themselves: how old what they show is, what they could not read, and what they cost."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Column, Limit, Number, Query, Table
from atlas_ops.render.dashboards.parts.requests import WINDOW
from atlas_ops.render.dashboards.parts.scrapes import NO_EXPORTER, extremes


def snapshot_age(*matchers: str) -> Chart:
    """Return how old the data on the exporters' pages is."""
    return Chart(
        key="snapshot-age",
        title="Age of what exporters show",
        shows="Time since a collector last brought something: the highest and the median of all collectors.",
        worry="it grows: a collector hangs, and its page repeats itself.",
        faults=("GaugesFrozen",),
        empty=NO_EXPORTER,
        queries=extremes(promql.select(s.EXPORTER_SNAPSHOT_AGE, *matchers)),
        unit="s",
    )


def driver_calls(parameters: Parameters, *matchers: str) -> Chart:
    """Return the age of the oldest driver calls that have not returned."""
    limit = parameters.timing.hold(parameters.limits.driver_call_seconds)
    return Chart(
        key="driver-calls",
        title="Driver calls that have not returned",
        shows="Age of the oldest call about a GPU (0 when there is none): the highest and the median of all GPUs.",
        worry="it reaches the red line: the driver hangs, and with it what is told of the GPU.",
        faults=("GaugesFrozen",),
        empty="without GPUs",
        queries=extremes(promql.select(s.EXPORTER_CALL_IN_FLIGHT, *matchers)),
        unit="s",
        limit=Limit(value=limit),
    )


def sampler_gap(*matchers: str) -> Chart:
    """Return the longest gaps between two samples of a GPU."""
    return Chart(
        key="sampler-gap",
        title="Longest gap between samples of a GPU",
        shows="Throttling is sampled many times a second; this is the longest pause of late: the highest and the median.",
        worry="it is seconds: short throttling in between is not seen where the driver does not count it.",
        faults=("GaugesFrozen",),
        empty="without GPUs",
        queries=extremes(promql.select(s.EXPORTER_TICK_GAP, *matchers)),
        unit="s",
    )


def failing_collectors(*matchers: str) -> Table:
    """Return the collectors whose last run failed."""
    failing = f"{promql.select(s.EXPORTER_COLLECTOR_SUCCESS, *matchers)} == 0"
    by = "instance, collector"
    age, took = (
        f"max by ({by}) ({promql.select(signal, *matchers)} and on ({by}) {failing})"
        for signal in (s.EXPORTER_SNAPSHOT_AGE, s.EXPORTER_COLLECTOR_DURATION)
    )
    return Table(
        key="failing-collectors",
        title="Collectors whose last run failed",
        shows="What each exporter could not read: a server, the GPUs, pods, or anything else that it collects.",
        worry="one stays for minutes.",
        faults=("GaugesFrozen", "ModelServerDown"),
        empty="while every collector works",
        queries=(Query(expr=age, legend=""), Query(expr=took, legend="")),
        columns=(
            Column(source="instance", title="Exporter"),
            Column(source="collector", title="Collector"),
            Column(source="Value #A", title="Age of its data", unit="s"),
            Column(source="Value #B", title="Last run took", unit="s"),
        ),
    )


def samples_left_out(*matchers: str) -> Chart:
    """Return the native samples that the exporters left out."""
    left_out = promql.sum_by((c.RUNTIME, "reason"), promql.rate(s.EXPORTER_DROPPED, WINDOW, *matchers))
    return Chart(
        key="samples-left-out",
        title="Samples left out, per second",
        shows="What servers tell and the exporter does not pass on, by runtime and reason.",
        worry="it rises without a new version of a runtime or of a dialect.",
        faults=("SignalUnresolved",),
        empty="while nothing has had to be left out",
        queries=(Query(expr=left_out, legend="{{runtime}} {{reason}}"),),
        unit="short",
    )


def refused_requests(*matchers: str) -> Chart:
    """Return the requests that got no page from an exporter."""
    refused = promql.sum_by(("reason",), promql.rate(s.EXPORTER_REFUSED, WINDOW, *matchers))
    return Chart(
        key="refused-requests",
        title="Requests that exporters refused, per second",
        shows="Requests for the page that got none, by reason.",
        worry="there are any: Prometheus may be among those who asked.",
        faults=("ExporterDown",),
        empty=NO_EXPORTER,
        queries=(Query(expr=refused, legend="{{reason}}"),),
        unit="reqps",
    )


def memory(*matchers: str) -> Chart:
    """Return the memory of the exporters."""
    return Chart(
        key="exporter-memory",
        title="Memory of exporters",
        shows="Memory resident for the process: the highest and the median of all exporters.",
        worry="it grows for hours without more servers or GPUs.",
        empty=NO_EXPORTER,
        queries=extremes(promql.select(s.EXPORTER_MEMORY, *matchers)),
        unit="bytes",
    )


def processor(*matchers: str) -> Chart:
    """Return the processor time of the exporters."""
    return Chart(
        key="exporter-processor",
        title="Processor time of exporters",
        shows="Share of one processor that an exporter uses: the highest and the median of all exporters.",
        worry="it is more than a few per cent without hundreds of servers on the node.",
        empty=NO_EXPORTER,
        queries=extremes(promql.rate(s.EXPORTER_CPU, WINDOW, *matchers)),
        unit="percentunit",
    )


def reloads_failed(*matchers: str) -> Number:
    """Return how many exporters could not take up their settings."""
    works = promql.select(s.EXPORTER_RELOAD_SUCCESS, *matchers)
    return Number(
        key="reloads-failed",
        title="Settings refused",
        shows="Exporters whose last reload of the settings failed; they go on with the ones before.",
        worry="there is one: `atlas-ops check` says what is wrong with the file.",
        empty=NO_EXPORTER,
        query=Query(expr=f"sum(1 - {works})", legend="failed"),
        unit="short",
        limit=Limit(value=1),
    )


def versions() -> Table:
    """Return which versions of atlas-ops run."""
    return Table(
        key="versions",
        title="Versions",
        shows="How many processes of each job run which version of atlas-ops.",
        worry="two versions stay side by side after an update.",
        empty=NO_EXPORTER,
        queries=(Query(expr=f"count by (job, version) ({s.BUILD_INFO})", legend=""),),
        columns=(
            Column(source="job", title="Job"),
            Column(source="version", title="Version"),
            Column(source="Value #A", title="Processes", unit="short"),
        ),
        width=8,
    )
