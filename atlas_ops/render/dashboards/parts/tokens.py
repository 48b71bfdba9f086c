"""Tokens: how many go in and come out, how many a request has, and whether the first of them comes in time."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Number, Query
from atlas_ops.render.dashboards.parts import latency
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend


def first_in_time(parameters: Parameters, by: tuple[str, ...], *matchers: str) -> Number:
    """Return the share of requests whose first token came in time just now, each model by its own objective."""
    course = latency.within(latency.FIRST_TOKEN, parameters, by, *matchers)
    return Number(
        key="first-token-in-time-now",
        title="First token in time",
        shows=course.shows,
        worry=course.worry,
        faults=course.faults,
        query=Query(expr="\nor\n".join(query.expr for query in course.queries), legend=legend(by)),
        unit=course.unit,
        limit=course.limit,
    )


def produced(by: tuple[str, ...], *matchers: str) -> Number:
    """Return tokens produced per second now."""
    return Number(
        key="tokens-produced",
        title="Tokens per second",
        shows="Tokens of answers.",
        worry="it falls to zero while requests are running.",
        faults=("EngineStalled",),
        query=Query(expr=promql.sum_by(by, promql.rate(s.GENERATION_TOKENS, WINDOW, *matchers)), legend=legend(by)),
        unit="short",
        trend=True,
    )


def per_second(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return tokens per second: produced, taken in, and taken in from a cache."""
    told = ((s.GENERATION_TOKENS, "produced"), (s.PROMPT_TOKENS, "prompt"), (s.CACHED_PROMPT_TOKENS, "prompt, cached"))
    return Chart(
        key="tokens-per-second",
        title="Tokens per second, in and out",
        shows="Tokens of answers, and tokens of prompts with the part of them that a cache answered.",
        worry="production falls while requests wait.",
        faults=("EngineStalled", "WorkloadMixShift"),
        queries=tuple(
            Query(
                expr=promql.sum_by(by, promql.rate(counter, WINDOW, *matchers)),
                legend=f"{word} {legend(by)}",
            )
            for counter, word in told
        ),
        unit="short",
    )


def per_request(by: tuple[str, ...], *matchers: str) -> Chart:
    """Return the mean number of tokens of a request: of its prompt and of its answer."""
    told = ((s.REQUEST_PROMPT_TOKENS, "prompt"), (s.REQUEST_GENERATION_TOKENS, "answer"))
    return Chart(
        key="tokens-per-request",
        title="Tokens of a request",
        shows="Mean number of tokens of prompts and of answers. Longer ones take longer, whatever the server does.",
        worry="it moves together with latency: then the requests have changed, not the servers.",
        faults=("WorkloadMixShift",),
        queries=tuple(
            Query(
                expr=latency.mean_of(histogram, by, *matchers),
                legend=f"{word} {legend(by)}",
            )
            for histogram, word in told
        ),
        unit="short",
    )
