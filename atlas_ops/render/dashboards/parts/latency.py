"""How long users wait: each part of the wait against its objective, its mean, and how it is spread.

Shares are of requests within a bucket bound, which is exact; percentiles are not shown, since one read from buckets is off by
up to half (`catalog.bounds`). Whether a model is slower than usual is `regression`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from atlas_ops import promql
from atlas_ops.catalog import bounds
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Objective, Parameters
from atlas_ops.render.dashboards.panels import Chart, Heatmap, Limit, Query
from atlas_ops.render.dashboards.parts.requests import WINDOW, legend


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """One part of the time that a user waits, and what was promised about it."""

    key: str
    """Stem of the keys of its panels."""
    title: str
    came: str
    """What is counted and happened in time: `requests whose first token came`."""
    signal: Signal
    seconds: Callable[[Objective], float]
    """The time that counts as in time."""
    fault: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Promised(Wait):
    """A part of the wait that a share of all has to be in time with."""

    target: Callable[[Objective], float]
    late: str
    """What uses the budget for late ones up."""


FIRST_TOKEN = Promised(
    key="first-token",
    title="First token",
    came="requests whose first token came",
    signal=s.TIME_TO_FIRST_TOKEN,
    seconds=lambda objective: objective.time_to_first_token_seconds,
    target=lambda objective: objective.time_to_first_token_target,
    fault="TimeToFirstTokenSloBurn",
    late="requests whose first token came late",
)
BETWEEN_TOKENS = Promised(
    key="between-tokens",
    title="Between tokens",
    came="tokens that came",
    signal=s.INTER_TOKEN_LATENCY,
    seconds=lambda objective: objective.inter_token_latency_seconds,
    target=lambda objective: objective.inter_token_latency_target,
    fault="InterTokenLatencySloBurn",
    late="tokens that came late",
)
WHOLE_REQUEST = Promised(
    key="whole-request",
    title="Whole request",
    came="requests whose answer was complete",
    signal=s.REQUEST_DURATION,
    seconds=lambda objective: objective.request_duration_seconds,
    target=lambda objective: objective.request_duration_target,
    fault="RequestLatencySloBurn",
    late="requests that took too long",
)
IN_QUEUE = Wait(
    key="in-queue",
    title="In the queue",
    came="requests that were begun",
    signal=s.QUEUE_TIME,
    seconds=lambda objective: objective.queue_wait_seconds,
    fault="QueueBacklog",
)
PROMISED = (FIRST_TOKEN, BETWEEN_TOKENS, WHOLE_REQUEST)
WAITS = (*PROMISED, IN_QUEUE)


def within(wait: Wait, parameters: Parameters, by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the share that was in time, against the objective of each model."""
    return Chart(
        key=f"{wait.key}-within",
        title=f"{wait.title}: share in time",
        shows=f"Share of {wait.came} within the time of the objective, or within the next bucket bound of the runtime.",
        worry="it stays below the target, or falls while the load is as ever.",
        faults=(wait.fault,),
        queries=tuple(
            Query(
                expr=_share_within(wait, objective, parameters, by, models, *matchers),
                legend=f"{legend(by)} within {promql.number(wait.seconds(objective))} s",
            )
            for objective, models in parameters.by_model()
        ),
        unit="percentunit",
        limit=_target(wait, parameters),
        minimum=None,
        maximum=1.0,
        width=width,
    )


def within_of_models(
    wait: Promised, parameters: Parameters, by: tuple[str, ...], *matchers: str, width: int = 8
) -> Chart:
    """Return the same of whole models, as the rules record it: a fraction of the cost where there are many servers."""
    counted = burn.Indicator(
        stem=wait.signal.name.removesuffix("_seconds"), every="", good="", target=wait.target, minimum=()
    )

    def share(models: str) -> str:
        late, every = (
            promql.sum_by(by, f"sum_over_time({promql.select(name, models, *matchers)}[{WINDOW}])")
            for name in (counted.bad_name(60), counted.all_name(60))
        )
        return f"1 - {late} / {every}"

    chart = within(wait, parameters, by, *matchers, width=width)
    exprs = (share(models) for _, models in parameters.by_model())
    return replace(
        chart, queries=tuple(replace(one, expr=expr) for one, expr in zip(chart.queries, exprs, strict=True))
    )


def mean(wait: Wait, by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the mean of one part of the wait."""
    return Chart(
        key=f"{wait.key}-mean",
        title=f"{wait.title}: mean",
        shows="The mean, which every runtime with this signal tells exactly. It says nothing of the slowest.",
        worry="it leaves the range of the last days; the heatmap tells whether all are slow, or a few very slow.",
        faults=(wait.fault,),
        queries=(Query(expr=mean_of(wait.signal, by, *matchers), legend=legend(by)),),
        unit="s",
        width=width,
    )


def means(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return the mean of every part of the wait, in one chart."""
    return Chart(
        key="latency-means",
        title="Mean time of each part of an answer",
        shows="Mean time in the queue, to the first token, between tokens and of whole requests.",
        worry="one part grows alone: the queue is a matter of capacity, the first token of prompts, the rest of batches.",
        faults=tuple(wait.fault for wait in WAITS),
        queries=tuple(
            Query(expr=mean_of(wait.signal, by, *matchers), legend=f"{legend(by)} {wait.title.lower()}")
            for wait in WAITS
        ),
        unit="s",
        width=width,
    )


def heatmap(wait: Wait, *matchers: str, width: int = 8) -> Heatmap:
    """Return how the times of one part of the wait are spread."""
    return Heatmap(
        key=f"{wait.key}-heatmap",
        title=f"{wait.title}: how the times are spread",
        shows=(
            "Observations per second in each bucket, the darker the more; points are traces, where servers give them. Choose "
            "models of one runtime: others have other buckets, and do not add up."
        ),
        worry="the band rises, or a second band appears above it.",
        faults=(wait.fault,),
        # Traces belong to buckets, and are drawn at their seconds: only here is there such an axis.
        query=Query(
            expr=promql.sum_by(("le",), promql.rate(f"{wait.signal}_bucket", WINDOW, *matchers)),
            legend="{{le}}",
            exemplars=True,
        ),
        unit="s",
        width=width,
    )


def mean_of(histogram: Signal, by: tuple[str, ...], *matchers: str) -> str:
    """Return PromQL of the mean of a histogram: NaN while nothing is observed."""
    total, number = (
        promql.sum_by(by, promql.rate(f"{histogram}_{part}", WINDOW, *matchers)) for part in ("sum", "count")
    )
    return f"{total} / {number}"


def _share_within(wait: Wait, objective: Objective, parameters: Parameters, by: tuple[str, ...], *matchers: str) -> str:
    judged = bounds.in_force(wait.signal, wait.seconds(objective), parameters.bounds).matchers
    in_time = f"min without (le) ({promql.rate(f'{wait.signal}_bucket', WINDOW, *judged, *matchers)})"
    # Only servers whose page has a bound to be judged at: others would count as slow from end to end.
    every = f"{promql.rate(f'{wait.signal}_count', WINDOW, *matchers)} and {in_time}"
    return f"{promql.sum_by(by, in_time)} / {promql.sum_by(by, every)}"


def _target(wait: Wait, parameters: Parameters) -> Limit | None:
    """Return the target as a line, where it is one for all models."""
    if not isinstance(wait, Promised):
        return None
    targets = {wait.target(objective) for objective in parameters.objectives}
    return Limit(value=targets.pop(), below=True) if len(targets) == 1 else None
