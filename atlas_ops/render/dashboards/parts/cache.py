"""The KV cache, what is thrown out of it, and what is found in it again."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Gauge, Limit, Query
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend


def fullest(by: tuple[str, ...], *matchers: str) -> Gauge:
    """Return how full the fullest KV cache is now."""
    return Gauge(
        key="kv-cache-fullest",
        title="KV cache, fullest",
        shows="Share of the KV cache in use, of the engine where it is fullest.",
        worry="requests are preempted or wait. A full cache alone is healthy, so no limit is drawn.",
        faults=("KvCachePressure",),
        query=Query(expr=_usage(by, *matchers), legend=legend(by)),
        unit="percentunit",
        height=4,
    )


def usage(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Chart:
    """Return the share of the KV cache in use, of the fullest engine."""
    return Chart(
        key="kv-cache-usage",
        title="KV cache in use",
        shows="Share of the KV cache in use, of the engine where it is fullest.",
        worry="it is above the line, and requests wait and are preempted. High use alone is healthy.",
        faults=("KvCachePressure", "CapacityHeadroomLow"),
        queries=(Query(expr=_usage(by, *matchers), legend=legend(by)),),
        unit="percentunit",
        limit=Limit(value=parameters.limits.kv_cache_usage_ratio),
        maximum=1.0,
    )


def preemptions(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return how often running requests are put back to wait."""
    return Chart(
        key="kv-cache-preemptions",
        title="Preemptions per second",
        shows="Running requests that were put back to wait because the KV cache was full; their work is done again.",
        worry="it does not go back to zero.",
        faults=("KvCachePressure", "PreemptionStorm"),
        queries=(Query(expr=promql.sum_by(by, promql.rate(s.PREEMPTIONS, WINDOW, *matchers)), legend=legend(by)),),
        unit="short",
    )


def prefix_hits(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return the share of looked-up tokens that the prefix cache had."""
    found, asked = (
        promql.sum_by(by, promql.rate(counter, WINDOW, *matchers))
        for counter in (s.PREFIX_CACHE_HITS, s.PREFIX_CACHE_QUERIES)
    )
    return Chart(
        key="prefix-cache-hits",
        title="Prompt tokens found in the prefix cache",
        shows="Share of the tokens looked up that were found. How many can be found depends on the prompts.",
        worry="it falls to a part of what it usually is: prompts are computed again, and first tokens come later.",
        faults=("PrefixCacheCollapse",),
        queries=(Query(expr=f"{found} / {asked}", legend=legend(by)),),
        unit="percentunit",
        maximum=1.0,
    )


def _usage(by: tuple[str, ...], *matchers: str) -> str:
    return f"max by ({', '.join(by)}) ({promql.select(s.KV_CACHE_USAGE, *matchers)})"
