"""WorkloadMixShift: other lengths of prompts and answers than the day before. Needs no detector. Called by the family's list."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import past
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity, Signal
from atlas_ops.catalog.parameters import Parameters

LENGTH = "model:atlas_request_tokens:mean"
TTFT_MEAN = "model:atlas_time_to_first_token:mean_seconds"
LENGTH_THINNED, USUAL_LENGTH = "model:atlas_request_tokens:thinned_mean", "model:atlas_request_tokens:usual_mean"
TTFT_THINNED = "model:atlas_time_to_first_token:thinned_seconds"
USUAL_TTFT = "model:atlas_time_to_first_token:usual_seconds"
_WINDOW_SECONDS, _DAY_SECONDS = 1800.0, 86_400.0
_PROMPT, _GENERATION = "prompt_tokens", "generation_tokens"


def workload_mix_shift(parameters: Parameters) -> Fault:
    """Return the fault."""
    return Fault(
        name="WorkloadMixShift",
        family=Family.DRIFT,
        meaning="The prompts or the answers of a model have become much longer, or shorter, than those of the day before.",
        impact="A replica carries fewer requests, or more, than capacity was planned for; latency changes with it.",
        recordings=_recordings(parameters),
        rules=_rules(parameters),
        panel=Panel(
            title="Tokens per request",
            description="Mean length of prompts and answers over half an hour, and that of the day before.",
            queries=(
                (promql.select(LENGTH, 'model=~"$model"'), "{{model}} {{feature}}"),
                (promql.select(USUAL_LENGTH, 'model=~"$model"'), "day before: {{model}} {{feature}}"),
            ),
            unit="short",
        ),
        why=(
            "Half an hour is held against the day that ended an hour ago, and against the same half hour of the day before "
            "where there is one, so that a mix which comes every evening is none. A change alone is no fault and tells "
            "nobody; longer requests together with a slower first token are a ticket. Means of tokens need no detector, and only runtimes "
            "that tell tokens and finished requests."
        ),
        look_alike="A batch of long documents at the same time every day, and a quiet hour with a few long requests.",
        inhibits=(
            Inhibition(
                targets=("WorkloadMixShift",),
                equal=("namespace", "model", "runtime", "feature"),
                source_variant="slow",
                target_variant="mix",
            ),
        ),
        scenario="workload_mix_shift",
        unhurried=True,
    )


def _rules(parameters: Parameters) -> tuple[Rule, ...]:
    timing, limits = parameters.timing, parameters.limits
    shifted = _apart(parameters, LENGTH, USUAL_LENGTH, limits.workload_shift_ratio, both_ways=True)
    longer = _apart(parameters, LENGTH, USUAL_LENGTH, limits.workload_shift_ratio)
    slower = _apart(parameters, TTFT_MEAN, USUAL_TTFT, limits.workload_slowdown_ratio)
    labels = (*c.MODEL_LABELS, c.FEATURE)
    summary = (
        "Requests to {{ $labels.model }} now have {{ $value | humanize }} {{ $labels.feature }} on average, which is not what "
        "the day before had"
    )
    return (
        Rule(
            expr=shifted,
            labels=labels,
            severity=Severity.INFO,
            summary=f"{summary}.",
            for_seconds=timing.hold(180),
            variant="mix",
        ),
        Rule(
            # Shorter requests explain no wait.
            expr=f"{longer}\nand on ({', '.join(c.MODEL_LABELS)}) {slower}",
            labels=labels,
            severity=Severity.TICKET,
            summary=f"{summary}, and the first token takes longer.",
            for_seconds=timing.hold(180),
            variant="slow",
        ),
    )


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    prompts, answers = (
        promql.label_replace(_length(parameters, histogram, counter), c.FEATURE, feature)
        for feature, histogram, counter in (
            (_PROMPT, s.REQUEST_PROMPT_TOKENS, s.PROMPT_TOKENS),
            (_GENERATION, s.REQUEST_GENERATION_TOKENS, s.GENERATION_TOKENS),
        )
    )
    window = parameters.timing.window(_WINDOW_SECONDS)
    total, count = (_rate(f"{s.TIME_TO_FIRST_TOKEN}_{part}", window) for part in ("sum", "count"))
    return (
        Recording(name=LENGTH, expr=f"{prompts}\nor {answers}"),
        Recording(name=TTFT_MEAN, expr=f"{total} / {count}"),
        *_usual(parameters, LENGTH, LENGTH_THINNED, USUAL_LENGTH),
        *_usual(parameters, TTFT_MEAN, TTFT_THINNED, USUAL_TTFT),
    )


def _usual(parameters: Parameters, metric: str, thinned: str, usual: str) -> tuple[Recording, ...]:
    """Return the recordings of a mean over the day that ended an hour ago, or over what there is of it."""
    timing = parameters.timing
    return past.thinned(thinned, metric, timing), Recording(name=usual, expr=past.mean(thinned, timing))


def _length(parameters: Parameters, histogram: Signal, counter: Signal) -> str:
    """Return PromQL for tokens per request where there are enough; the histogram's own where there is one."""
    window = parameters.timing.window(_WINDOW_SECONDS)
    enough = promql.number(round(parameters.limits.workload_minimum_requests / _WINDOW_SECONDS, 6))
    total, count = (_rate(f"{histogram}_{part}", window) for part in ("sum", "count"))
    tokens, finished = _rate(counter, window), _rate(s.REQUESTS, window, 'outcome="ok"')
    return f"({total} / ({count} >= {enough})\nor {tokens} / ({finished} >= {enough}))"


def _rate(metric: object, window: str, *matchers: str) -> str:
    return promql.sum_by(c.MODEL_LABELS, promql.rate(metric, window, *matchers))


def _apart(parameters: Parameters, metric: str, usual: str, ratio: float, *, both_ways: bool = False) -> str:
    """Return PromQL for what is apart from its past, and not like the same time of the day before."""
    day = parameters.timing.window(_DAY_SECONDS)
    above, below = promql.number(ratio), promql.number(round(1 / ratio, 6))
    apart = f"{metric} > {above} * {usual}"
    same = f"{metric} <= {above} * {metric} offset {day}"
    if not both_ways:
        return f"({apart}\nunless {same})"
    apart = f"({apart} or {metric} < {below} * {usual})"
    return f"({apart}\nunless ({same} and {metric} >= {below} * {metric} offset {day}))"
