"""How servers begin: since when they are there, how often they began anew, how long their model took to load, and what they are."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Parameters, Timing
from atlas_ops.render.dashboards.panels import Column, Limit, Number, Query, Table
from atlas_ops.render.dashboards.parts import membership
from atlas_ops.render.dashboards.parts.requests import legend


def age(timing: Timing, *matchers: str) -> Number:
    """Return for how long each server is there."""
    started = membership.told(s.SERVER_START_TIME, *matchers)
    return Number(
        key="server-age",
        title="Up for",
        shows="Time since the server's process began, where the runtime tells it.",
        worry="it is short, and nobody has deployed anything.",
        faults=("CrashLooping", "OutOfMemoryKilled"),
        query=Query(expr=membership.of_chosen(f"(time() - {started})", timing, *matchers), legend=membership.NAME),
        unit="s",
    )


def restarts(timing: Timing, *matchers: str) -> Number:
    """Return how often each server began anew while the exporter watched it."""
    return Number(
        key="server-restarts",
        title="Restarts seen",
        shows="How often the server began anew since the exporter watches it, by its start time or by counters that fell.",
        worry="it goes up, and nobody has deployed anything.",
        faults=("CrashLooping", "OutOfMemoryKilled"),
        query=Query(
            expr=membership.of_chosen(membership.told(s.SERVER_RESTARTS, *matchers), timing, *matchers),
            legend=membership.NAME,
        ),
        unit="short",
    )


def load_time(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Number:
    """Return how long the last start took until the first ready answer."""
    return Number(
        key="server-load-time",
        title="Cold start",
        shows="Time from the start of the server to its first ready answer, at its last start.",
        worry="it is above the limit, or far longer than the model usually takes.",
        faults=("ColdStartSlow",),
        empty="until a start has been seen from its beginning",
        query=Query(expr=f"max by ({', '.join(by)}) ({promql.select(s.MODEL_LOAD, *matchers)})", legend=legend(by)),
        unit="s",
        limit=Limit(value=parameters.limits.cold_start_seconds),
    )


def identity(timing: Timing, *matchers: str) -> Table:
    """Return what each server is: runtime, version, dialect, track, release, and how many processes answer at its address."""
    names = (c.SERVER, c.K8S_NAMESPACE, c.K8S_POD, c.HOST_NAME, c.RUNTIME, "version", "dialect", "track", "release")
    told = (
        (s.SERVER_INFO, "version", (c.RUNTIME, "version", "dialect")),
        (s.SERVER_RELEASE_INFO, "release", (c.RUNTIME, "track", "release")),
        (s.SERVER_WORKERS, "workers", (c.RUNTIME,)),
    )
    titles = ("Server", "Namespace", "Pod", "Node", "Runtime", "Version", "Dialect", "Track", "Release")
    return Table(
        key="server-identity",
        title="What it is",
        shows="The server as its page and Kubernetes name it, and the dialect that the exporter reads it in.",
        worry="the version is not the one that was deployed, or the dialect is not that of the server.",
        faults=("SignalUnresolved",),
        queries=tuple(
            Query(expr=membership.of_chosen(membership.told(signal, *matchers, by=by), timing, *matchers), legend=word)
            for signal, word, by in told
        ),
        columns=(
            *(Column(source=name, title=title) for name, title in zip(names, titles, strict=True)),
            Column(source="Value #C", title="Workers", unit="short"),
        ),
        width=24,
        height=5,
    )
