"""Service levels of latency: too many answers begin too late, take too long, or come too haltingly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import bounds
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Quality, Recording, Signal
from atlas_ops.catalog.parameters import Objective, Parameters

EXACT = (
    "Two windows have to agree: the long one that enough of the budget is at stake, the short one that it is still burning. "
    "Shares above a bucket bound are exact; a percentile read from buckets is off by up to 52 %, so a threshold is judged "
    "at the smallest bound of the runtime that is not below it."
)


_HIDES_REGRESSION = Inhibition(
    targets=("P99Regression",), equal=("namespace", "model", "runtime"), source_variant=burn.FAST
)
"""Whoever was woken by a burning budget need not be woken by what makes it burn. The mild variant is hidden as well, and told when
the page is over if it still fires."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """One promise about latency, and the words for breaking it."""

    signal: Signal
    seconds: Callable[[Objective], float]
    target: Callable[[Objective], float]
    breach: str
    """What `{share} of ...` did, with `{seconds}` and `{budget}`."""

    @property
    def stem(self) -> str:
        """Middle of the names of its recordings: the signal without its unit."""
        return self.signal.name.removesuffix("_seconds")

    @property
    def within_name(self) -> str:
        """Return the recording of the observations of each server that were in time."""
        return f"server:{self.stem}_within:increase1m"

    def in_force(self, objective: Objective, parameters: Parameters) -> bounds.InForce:
        """Return the bucket bounds at which the threshold of an objective is judged."""
        return bounds.in_force(self.signal, self.seconds(objective), parameters.bounds)


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the three faults."""
    return (_time_to_first_token(parameters), _request_latency(parameters), _inter_token_latency(parameters))


def _time_to_first_token(parameters: Parameters) -> Fault:
    level = Level(
        signal=s.TIME_TO_FIRST_TOKEN,
        seconds=lambda objective: objective.time_to_first_token_seconds,
        target=lambda objective: objective.time_to_first_token_target,
        breach="requests to {{ $labels.model }} waited longer than {seconds} s for their first token",
    )
    indicator = _indicator(level, parameters, minimum=((parameters.limits.slo_minimum_slow_requests, ""),))
    return Fault(
        name="TimeToFirstTokenSloBurn",
        family=Family.LATENCY,
        meaning="So many requests get their first token too late that the month's budget for slow ones is being used up.",
        impact="People look at an empty answer; chat feels broken although nothing has failed.",
        recordings=_recordings(level, indicator, parameters),
        rules=burn.rules(indicator, parameters, _summary(level, indicator, parameters)),
        panel=Panel(
            title="Requests with a late first token",
            description="Share of requests whose first token came later than the objective, over five minutes.",
            queries=((indicator.share(300, 'model=~"$model"'), "{{model}}"),),
            unit="percentunit",
            limit=burn.paging_share(indicator, parameters),
        ),
        why=f"{EXACT} {_judged(level, parameters)}",
        look_alike="A few slow requests on a model with little traffic, and a slow minute that is over.",
        inhibits=(*burn.inhibitions("TimeToFirstTokenSloBurn", "RequestLatencySloBurn"), _HIDES_REGRESSION),
        scenario="late_first_tokens",
    )


def _request_latency(parameters: Parameters) -> Fault:
    level = Level(
        signal=s.REQUEST_DURATION,
        seconds=lambda objective: objective.request_duration_seconds,
        target=lambda objective: objective.request_duration_target,
        breach="requests to {{ $labels.model }} took longer than {seconds} s",
    )
    indicator = _indicator(level, parameters, minimum=((parameters.limits.slo_minimum_slow_requests, ""),))
    return Fault(
        name="RequestLatencySloBurn",
        family=Family.LATENCY,
        meaning="So many answers take too long to be complete that the month's budget for slow ones is being used up.",
        impact="Answers arrive after people and programs have stopped waiting for them; timeouts and repeated requests follow.",
        recordings=_recordings(level, indicator, parameters),
        rules=burn.rules(indicator, parameters, _summary(level, indicator, parameters)),
        panel=Panel(
            title="Requests that take too long",
            description="Share of requests whose answer took longer than the objective, over five minutes.",
            queries=((indicator.share(300, 'model=~"$model"'), "{{model}}"),),
            unit="percentunit",
            limit=burn.paging_share(indicator, parameters),
        ),
        why=(
            f"{EXACT} {_judged(level, parameters)} How long an answer takes depends on how long it is: the objective is one "
            "for each model."
        ),
        look_alike="A few long answers on a model with little traffic, and a burst in which all stay within the objective.",
        inhibits=(*burn.inhibitions("RequestLatencySloBurn"), _HIDES_REGRESSION),
        scenario="slow_requests",
    )


def _inter_token_latency(parameters: Parameters) -> Fault:
    level = Level(
        signal=s.INTER_TOKEN_LATENCY,
        seconds=lambda objective: objective.inter_token_latency_seconds,
        target=lambda objective: objective.inter_token_latency_target,
        breach="tokens of {{ $labels.model }} came more than {seconds} s after the one before",
    )
    limits, per_answer = parameters.limits, _timed_per_answer()
    minimum = (
        (limits.slo_minimum_slow_tokens, ""),
        (limits.slo_minimum_slow_requests, promql.label_in(c.RUNTIME, per_answer)),
    )
    indicator = _indicator(level, parameters, minimum=minimum)
    return Fault(
        name="InterTokenLatencySloBurn",
        family=Family.LATENCY,
        meaning="So many tokens come so long after the one before that the month's budget for slow ones is being used up.",
        impact="Answers come more slowly than people read, or stop in the middle and go on.",
        recordings=_recordings(level, indicator, parameters),
        rules=burn.rules(indicator, parameters, _summary(level, indicator, parameters)),
        panel=Panel(
            title="Tokens that come haltingly",
            description="Share of tokens that came later after the one before than the objective allows, over five minutes.",
            queries=((indicator.share(300, 'model=~"$model"'), "{{model}}"),),
            unit="percentunit",
            limit=burn.paging_share(indicator, parameters),
        ),
        why=(
            f"{EXACT} {_judged(level, parameters)} Tokens are counted, or answers by the mean of their tokens where a runtime "
            f"times no single ones ({', '.join(per_answer)})."
        ),
        look_alike="One long answer that halts on a model with little traffic, and the odd token that waits for a prefill.",
        inhibits=burn.inhibitions("InterTokenLatencySloBurn", "RequestLatencySloBurn"),
        scenario="halting_tokens",
    )


def _timed_per_answer() -> tuple[str, ...]:
    """Return the runtimes that observe one mean for each answer."""
    entries = ((dialect.runtime, dialect.entry(s.INTER_TOKEN_LATENCY)) for dialect in shipped_dialects())
    return tuple(runtime for runtime, entry in entries if entry and entry.quality is Quality.APPROXIMATE)


def _indicator(level: Level, parameters: Parameters, *, minimum: tuple[tuple[float, str], ...]) -> burn.Indicator:
    # Only servers whose page has a bound to be judged at: others would count as slow from end to end.
    every = f"{promql.increase(f'{level.signal}_count', burn.counted(parameters.timing))} and {level.within_name}"
    return burn.Indicator(
        stem=level.stem,
        every=promql.sum_by(c.MODEL_LABELS, every),
        good=promql.sum_by(c.MODEL_LABELS, level.within_name),
        target=level.target,
        minimum=minimum,
    )


def _recordings(level: Level, indicator: burn.Indicator, parameters: Parameters) -> tuple[Recording, ...]:
    span = burn.counted(parameters.timing)
    within = [
        f"min without (le) ({promql.increase(f'{level.signal}_bucket', span, *judged.matchers, models)})"
        for objective, models in parameters.by_model()
        if (judged := level.in_force(objective, parameters)).by_runtime
    ]
    return (
        Recording(name=level.within_name, expr="\nor\n".join(within)),
        *burn.recordings(indicator, parameters.timing),
    )


def _summary(level: Level, indicator: burn.Indicator, parameters: Parameters) -> Callable[[Objective], str]:
    def text(objective: Objective) -> str:
        breach = level.breach.replace("{seconds}", _seconds(level.in_force(objective, parameters)))
        return (
            f"{{{{ $value | humanizePercentage }}}} of the {breach}; {burn.budget(indicator, objective)} % are allowed."
        )

    return text


def _seconds(judged: bounds.InForce) -> str:
    """Return a template of the bound in force for the runtime of the alert."""
    threshold = promql.number(judged.threshold)
    others = {bound: runtimes for bound, runtimes in judged.by_bound().items() if bound != threshold}
    branches = "{{ else if ".join(
        f"eq $labels.runtime {' '.join(promql.quote(runtime) for runtime in runtimes)} }}}}{bound}"
        for bound, runtimes in others.items()
    )
    return f"{{{{ if {branches}{{{{ else }}}}{threshold}{{{{ end }}}}" if branches else threshold


def _judged(level: Level, parameters: Parameters) -> str:
    """Say at which bound each runtime is judged, and which ones cannot be."""
    sentences = []
    for objective in parameters.objectives:
        judged = level.in_force(objective, parameters)
        of = f" for models like {parameters.pattern(objective)}" if parameters.pattern(objective) else ""
        told = "; ".join(f"{bound} s on {', '.join(runtimes)}" for bound, runtimes in judged.by_bound().items())
        sentences.append(f"The objective of {promql.number(judged.threshold)} s{of} means {told}.")
        if judged.out_of_range:
            sentences.append(
                f"The buckets of {', '.join(judged.out_of_range)} do not reach it, so they are not watched."
            )
    return " ".join(sentences)
