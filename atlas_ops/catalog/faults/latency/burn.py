"""Faults of latency: users wait longer than they were promised."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Family, Fault, Inhibition, Panel, Recording, Rule, Severity
from atlas_ops.catalog.parameters import Objective, Parameters

BY_MODEL = (c.RUNTIME, c.MODEL, c.K8S_NAMESPACE)
_HOUR = 3600.0
_DAY = 24 * _HOUR


@dataclass(frozen=True, kw_only=True, slots=True)
class Burn:
    """A pair of windows in which the error budget burns `factor` times too fast.

    The pairs are those of the SRE workbook, chapter 5, for a budget of 30 days: 2 % of it in an hour, 5 % in six,
    10 % in a day, 10 % in three days. The short window is a twelfth, so that the alert ends soon after the cause; a page
    has to burn in the last five minutes as well, whatever its windows.
    """

    factor: float
    short: float
    long: float


PAGE_BURNS = (Burn(factor=14.4, short=300, long=_HOUR), Burn(factor=6, short=1800, long=6 * _HOUR))
TICKET_BURNS = (Burn(factor=3, short=2 * _HOUR, long=_DAY), Burn(factor=1, short=6 * _HOUR, long=3 * _DAY))


def faults(parameters: Parameters) -> tuple[Fault, ...]:
    """Return the faults of this family."""
    return (_time_to_first_token(parameters),)


def _time_to_first_token(parameters: Parameters) -> Fault:
    pages = tuple(_rule(parameters, objective, models, "fast") for objective, models in parameters.by_model())
    tickets = tuple(_rule(parameters, objective, models, "slow") for objective, models in parameters.by_model())
    windows = sorted({window for burn in PAGE_BURNS + TICKET_BURNS for window in (burn.short, burn.long)})
    recordings = tuple(_recording(parameters, window) for window in windows)
    return Fault(
        name="TimeToFirstTokenSloBurn",
        family=Family.LATENCY,
        meaning="So many requests get their first token too late that the month's budget for slow ones is being used up.",
        impact="People look at an empty answer; chat feels broken although nothing has failed.",
        recordings=recordings,
        rules=pages + tickets,
        panel=Panel(
            title="Requests with a late first token",
            description="Share of requests whose first token came later than the objective, over five minutes.",
            queries=((promql.select(_name(300), 'model=~"$model"'), "{{model}}"),),
            unit="percentunit",
            limit=min(
                PAGE_BURNS[0].factor * (1 - target.time_to_first_token_target) for target in parameters.objectives
            ),
        ),
        why=(
            "Two windows have to agree: the long one that enough of the budget is at stake, the short one that it is "
            "still burning. Shares above a bucket bound are exact; a percentile read from buckets is off by up to 52 %."
        ),
        look_alike="A few slow requests on a model with little traffic, and a slow minute that is over.",
        inhibits=(
            Inhibition(
                targets=("TimeToFirstTokenSloBurn",),
                equal=("namespace", "model", "runtime"),
                source_variant="fast",
                target_variant="slow",
            ),
        ),
    )


def _name(window: float) -> str:
    return f"model:atlas_time_to_first_token_slow:ratio_rate{promql.duration(window)}"


def _recording(parameters: Parameters, window: float) -> Recording:
    # The name keeps the nominal window also where a profile shortens it, so that dashboards stay the same.
    shares = [_slow_share(parameters, objective, models, window) for objective, models in parameters.by_model()]
    return Recording(name=_name(window), expr="\nor\n".join(shares))


def _slow_share(parameters: Parameters, objective: Objective, models: str, window: float) -> str:
    span = parameters.timing.window(window)
    fast = promql.bound(objective.time_to_first_token_seconds)
    within = promql.sum_by(BY_MODEL, promql.rate(f"{s.TIME_TO_FIRST_TOKEN}_bucket", span, fast, models))
    every = promql.sum_by(BY_MODEL, promql.rate(f"{s.TIME_TO_FIRST_TOKEN}_count", span, models))
    return f"1 - {within} / {every}"


def _rule(parameters: Parameters, objective: Objective, models: str, variant: str) -> Rule:
    page = variant == "fast"
    budget = 1 - objective.time_to_first_token_target
    conditions = [_burning(parameters, burn, budget, models) for burn in (PAGE_BURNS if page else TICKET_BURNS)]
    return Rule(
        expr="\nor\n".join(conditions),
        labels=BY_MODEL,
        severity=Severity.PAGE if page else Severity.TICKET,
        summary=(
            "{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} waited longer than "
            f"{promql.number(objective.time_to_first_token_seconds)} s for their first token; "
            f"{promql.number(round(budget * 100, 6))} % are allowed."
        ),
        variant=variant,
        objective=parameters.pattern(objective),
    )


def _burning(parameters: Parameters, burn: Burn, budget: float, models: str) -> str:
    allowed = promql.number(round(burn.factor * budget, 9))
    span = parameters.timing.window(burn.long)
    requests = promql.sum_by(BY_MODEL, promql.increase(f"{s.TIME_TO_FIRST_TOKEN}_count", span, models))
    short, long = (promql.select(_name(window), models) for window in (burn.short, burn.long))
    enough = f"{long} * {requests} >= {promql.number(parameters.limits.slo_minimum_slow_requests)}"
    conditions = [f"{long} > {allowed}", f"{short} > {allowed}", enough]
    if burn in PAGE_BURNS and burn.short > PAGE_BURNS[0].short:
        # Half an hour of memory would wake people for what is over, as soon as the page of its cause is resolved.
        conditions.append(f"{promql.select(_name(PAGE_BURNS[0].short), models)} > {allowed}")
    return "(\n  " + "\n  and ".join(conditions) + "\n)"
