"""P99Regression: a model has become slower than it usually is at this time, though its work is the same.

The test compares how many requests were slower than a bucket bound with how many usually are, at every bound that a small
share of the requests exceeds: no percentile is interpolated. It is met when there are too many for chance (`DEVIATIONS`),
in every part of the last half hour, so that bursts do not count, by a margin that covers how days differ. Where an hour
holds too few requests, six hours have to do. `benchmarks/regression.py` measures how often it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops import promql
from atlas_ops.catalog.faults.latency import tail, usual, workload
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import OUTLAST_SECONDS, Objective, Parameters, Timing

TIMES_USUAL = "model:atlas_latency_regression:times_usual"
_LEAST = {"1h": "model:atlas_latency_slow:least_ratio25m", "6h": "model:atlas_latency_slow:least_ratio3h"}
"""The smallest share that was slower than each bound in the parts of a window."""
_DEVIATIONS = {"1h": "model:atlas_latency_slow:deviations1h", "6h": "model:atlas_latency_slow:deviations6h"}
"""By how many standard deviations more requests than allowed were slower than each bound."""
_MINUTES5, _HOUR = 300.0, 3600.0


def fault(parameters: Parameters) -> Fault:
    """Return the fault."""
    limits = parameters.limits
    return Fault(
        name="P99Regression",
        family=Family.LATENCY,
        meaning="More requests than usual at this time are slow, and neither their prompts nor the traffic explain it.",
        impact="The slowest answers, which people remember, have become slower or more frequent; the rest may follow.",
        recordings=(*usual.recordings(parameters), *workload.recordings(parameters), *_recordings(parameters)),
        rules=(_mild(parameters), *(_severe(parameters, *pair) for pair in parameters.by_model())),
        panel=Panel(
            title="Slow requests, times the usual share",
            description=(
                "Share of requests slower than a bound against the same share at this time of other days, at the bound "
                "where it has grown most; the smallest of the last five times five minutes."
            ),
            queries=((_panel(), "{{model}} {{signal}}"),),
            unit="none",
            limit=limits.regression_ratio_weeks,
            empty="until a model has been measured for a day",
        ),
        why=(
            "Shares above a bucket bound are exact, where a percentile read from buckets is off by up to 52 %. The margins "
            "cover how days differ (rehearsed: under two wrong tickets for each model and month from 0.05 to 100 requests/s, "
            "and no page). It judges runtimes with buckets of the first token, or else of the whole request; prompts and "
            "queue are looked at where the runtime tells them. It needs a day of history, and is better with four weeks."
        ),
        look_alike=(
            "Longer prompts, a crowd that makes a queue, a burst of a few minutes, the slow hour of every day, and a few slow "
            "requests on a quiet model."
        ),
        inhibits=(
            Inhibition(
                targets=("P99Regression",),
                equal=("namespace", "model", "runtime"),
                source_variant="severe",
                target_variant="mild",
            ),
        ),
        scenario="p99_regression",
        unhurried=True,
    )


def _panel() -> str:
    slow = promql.select(_LEAST["1h"], 'model=~"$model"')
    return f"max by ({', '.join(tail.BY_LATENCY)}) ({slow} / {usual.USUAL})"


def _recordings(parameters: Parameters) -> tuple[Recording, ...]:
    timing = parameters.timing
    minutes, hours = (timing.window(length) for length in (_MINUTES5, _HOUR))
    parts = _least(usual.COUNTED, window=timing.window(5 * _MINUTES5), part=minutes)
    long_parts = _least(usual.HOURLY, window=timing.window(3 * _HOUR), part=hours)
    return (
        Recording(name=_LEAST["1h"], expr=parts),
        Recording(name=_LEAST["6h"], expr=long_parts),
        Recording(name=_DEVIATIONS["1h"], expr=_deviations(parameters, tail.recorded(usual.HOURLY))),
        Recording(name=_DEVIATIONS["6h"], expr=_deviations(parameters, _six_hours(timing))),
        Recording(name=TIMES_USUAL, expr=_times_usual(parameters)),
    )


def _least(counted: str, *, window: str, part: str) -> str:
    shares = tail.least(tail.recorded(counted), counted, window=window, part=part)
    return f"{shares}\n  and {usual.USUAL}"  # only the bounds that are judged


def _six_hours(timing: Timing) -> tail.Counted:
    window = f"[{timing.window(6 * _HOUR)}:{timing.window(_HOUR)}]"
    return lambda bounds: f"sum_over_time({promql.select(usual.HOURLY, bounds)}{window})"


def _deviations(parameters: Parameters, counted: tail.Counted) -> str:
    deviations = tail.deviations(counted, allowed=usual.ALLOWED, known=usual.BEFORE_ALL)
    least = promql.number(parameters.limits.regression_least_slow_requests)
    return f"{deviations}\nand {usual.USUAL} * {tail.ON} group_left () {counted(tail.ALL)} >= {least}"


def _times_usual(parameters: Parameters) -> str:
    deviations = promql.number(parameters.limits.regression_deviations)
    found = (
        f"{_LEAST[window]} / {usual.USUAL} and {_DEVIATIONS[window]} > {deviations} and {_LEAST[window]} > {usual.ALLOWED}"
        for window in ("1h", "6h")
    )
    slower = f"max by ({', '.join(tail.BY_LATENCY)}) (\n  " + "\n  or ".join(found) + "\n)"
    return f"{slower}\nunless {tail.ON_MODEL} {workload.MOVED}"


def _mild(parameters: Parameters) -> Rule:
    return Rule(
        expr=TIMES_USUAL,
        labels=tail.BY_LATENCY,
        severity=Severity.TICKET,
        summary=_SUMMARY,
        for_seconds=parameters.timing.hold(120),
        keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
        variant="mild",
    )


_SUMMARY = (
    'Slow requests to {{ $labels.model }} have become at least {{ $value | printf "%.1f" }} times as frequent as is usual at '
    f"this time ({tail.WHAT})."
)


def _severe(parameters: Parameters, objective: Objective, models: str) -> Rule:
    slower = promql.select(TIMES_USUAL, models)
    ratio = promql.number(parameters.limits.regression_page_ratio)
    late = " or ".join(_burning(parameters, objective, models))
    return Rule(
        expr=f"{slower} >= {ratio}\nor\n{slower} and {tail.ON_MODEL} ({late})",
        labels=tail.BY_LATENCY,
        severity=Severity.PAGE,
        summary=_SUMMARY,
        for_seconds=parameters.timing.hold(120),
        keep_firing_seconds=parameters.timing.hold(OUTLAST_SECONDS),
        variant="severe",
        objective=parameters.pattern(objective),
    )


def _burning(parameters: Parameters, objective: Objective, models: str) -> Iterator[str]:
    """Yield the service levels of latency that are broken as well, and how fast."""
    factor = parameters.limits.regression_burn_rate
    for stem, target in (
        ("atlas_time_to_first_token", objective.time_to_first_token_target),
        ("atlas_request_duration", objective.request_duration_target),
    ):
        bad, every = (promql.select(f"model:{stem}_{which}:increase1h", models) for which in ("bad", "all"))
        yield f"{bad} / {every} > {promql.number(round(factor * (1 - target), 9))}"
