"""Error budgets: how much of each is left, and how fast it burns.

Everything is read from what the rules of burn rates record (`catalog.faults.burn`), and the red lines are the factors at which
they fire.
"""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_uppercase

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.model import Severity
from atlas_ops.catalog.parameters import Objective, Parameters, Timing
from atlas_ops.render.dashboards.panels import Chart, Column, Limit, Link, Query, Table
from atlas_ops.render.dashboards.parts.levels import DAYS, LEVELS, Level
from atlas_ops.render.dashboards.parts.requests import legend
from atlas_ops.render.dashboards.variables import CLUSTER, LABELS

BURNS = (
    *((one, Severity.PAGE) for one in burn.PAGE_BURNS),
    *((one, Severity.TICKET) for one in burn.TICKET_BURNS),
)
"""Each pair of windows with the severity of its alert, the shortest windows first."""
_PART = max(one.long for one, _ in BURNS)
"""The longest window that is recorded. The period is put together of such windows, each of which is one sample to be read."""
_USED_UP = Limit(value=0.0, below=True)
BY = (c.MODEL, c.RUNTIME, c.K8S_NAMESPACE, LABELS[CLUSTER])
"""As alerts are told apart: a budget that burns in one namespace must not hide behind another."""
_STEP = 600.0
"""A budget of a month moves slowly, and each point reads a month."""
_TITLES = ("Model", "Runtime", "Namespace", "Cluster")


def budgets_left(parameters: Parameters, *matchers: str, width: int = 24) -> Table:
    """Return how much of each budget is left, one row for each model."""
    columns = tuple(
        Column(source=f"Value #{letter}", title=level.title, unit="percentunit", limit=_USED_UP)
        for letter, level in zip(ascii_uppercase, LEVELS, strict=False)
    )
    to_model = (Link(title="This model", board="model", variables={"model": c.MODEL}),)
    return Table(
        key="budgets-left",
        title="Error budget left",
        shows=(
            f"What is left of the bad events that the objectives allow among those of the last {DAYS} days, or of as many "
            "days as are recorded. Empty cells: the runtime does not tell."
        ),
        worry="a budget is nearly used up with much of the period still to go, and red means that the promise is broken.",
        faults=tuple(level.fault for level in LEVELS),
        queries=tuple(Query(expr=_left(level, parameters, BY, *matchers), legend=level.title) for level in LEVELS),
        columns=(
            *(
                Column(source=label, title=title, links=to_model if label == c.MODEL else ())
                for label, title in zip(BY, _TITLES, strict=True)
            ),
            *columns,
        ),
        width=width,
    )


def budget_course(level: Level, parameters: Parameters, by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return how the budget that is left of one promise went."""
    return Chart(
        key=f"budget-{level.key}",
        title=f"{level.title}: budget left",
        shows=f"What is left of the budget for {level.bad}, of {DAYS} days or of as many as are recorded.",
        worry="it falls towards the red line, at which the promise is broken; a steep fall is an incident.",
        faults=(level.fault,),
        queries=(Query(expr=_left(level, parameters, by, *matchers), legend=legend(by), step=_STEP),),
        unit="percentunit",
        limit=_USED_UP,
        maximum=1.0,
        width=width,
    )


def burn_rate(
    level: Level,
    pair: tuple[burn.Burn, Severity],
    parameters: Parameters,
    by: tuple[str, ...],
    *matchers: str,
    width: int = 8,
) -> Chart:
    """Return how fast the budget burns in a pair of windows, against the factor from which on its alert fires."""
    one, severity = pair
    windows = [promql.duration(window) for window in (one.long, one.short)]
    return Chart(
        key=f"burn-{level.key}-{windows[0]}",
        title=f"{level.title}: burn rate over {windows[0]} and {windows[1]}",
        shows=(
            f"How many times too fast the budget for {level.bad} burns: at 1 it lasts {DAYS} days, at the line "
            f"{DAYS / one.factor:.0f}. There is a {severity.value} while both windows are above the line and hold enough bad events."
        ),
        worry="the short window is above the line: the long one follows it, unless it is over soon.",
        faults=(level.fault,),
        queries=tuple(
            Query(
                expr=_rate(level, window, parameters, by, *matchers), legend=f"{legend(by)} {promql.duration(window)}"
            )
            for window in (one.long, one.short)
        ),
        unit="none",
        limit=Limit(value=one.factor),
        width=width,
    )


def _rate(level: Level, window: float, parameters: Parameters, by: tuple[str, ...], *matchers: str) -> str:
    def of(objective: Objective, *models: str) -> str:
        bad, every = (
            promql.sum_by(by, promql.select(name, *models))
            for name in (level.recorded.bad_name(window), level.recorded.all_name(window))
        )
        return f"{bad} / {every} / {_allowed(level, objective)}"

    return _each(parameters, of, *matchers)


def _left(level: Level, parameters: Parameters, by: tuple[str, ...], *matchers: str) -> str:
    def of(objective: Objective, *models: str) -> str:
        bad, every = (
            promql.sum_by(by, _period(name, parameters.timing, *models))
            for name in (level.recorded.bad_name(_PART), level.recorded.all_name(_PART))
        )
        return f"1 - {bad} / {every} / {_allowed(level, objective)}"

    return _each(parameters, of, *matchers)


def _each(parameters: Parameters, of: Callable[..., str], *matchers: str) -> str:
    """Return an expression for all models, each by its own objective."""
    return "\nor\n".join(of(objective, models, *matchers) for objective, models in parameters.by_model())


def _period(name: str, timing: Timing, *matchers: str) -> str:
    """Return the counts of the whole period: of the last window, and of the same window one or more of its lengths ago."""
    recorded, length = promql.select(name, *matchers), timing.window_seconds(_PART)
    earlier = (
        promql.label_replace(f"{recorded} offset {promql.duration(length * back)}", "part", str(back))
        for back in range(1, round(DAYS * 86400 / _PART))
    )
    return "\n  or ".join((recorded, *earlier))


def _allowed(level: Level, objective: Objective) -> str:
    return promql.number(round(1 - level.target(objective), 9))
