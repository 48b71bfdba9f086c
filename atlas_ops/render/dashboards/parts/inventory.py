"""What there is, one row each: the models with what their users feel, and the nodes with what their GPUs do."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults import burn
from atlas_ops.catalog.faults.hardware.throttling import BRAKE_SHARE, THERMAL_SHARE
from atlas_ops.catalog.parameters import Parameters, Timing
from atlas_ops.render.dashboards import variables as v
from atlas_ops.render.dashboards.panels import GRID_WIDTH, Column, Limit, Link, Query, Table
from atlas_ops.render.dashboards.parts import alerts, levels, membership
from atlas_ops.render.dashboards.parts.gpus import BY_NODE, WHOLE, greatest
from atlas_ops.render.dashboards.parts.requests import WINDOW

_MODEL = (c.K8S_NAMESPACE, c.MODEL, v.LABELS[v.CLUSTER])
_CLUSTER = Column(source=v.LABELS[v.CLUSTER], title=v.TITLES[v.CLUSTER])
_ANY = Limit(value=1)
_KNOWN_SECONDS = 3600.0
"""A server that is down tells no model any more; so long it is still known whose it was."""
_Figure = tuple[str, str, str, Limit | None]
"""(title, PromQL, unit, limit)."""


def models(parameters: Parameters, *matchers: str) -> Table:
    """Return one row for each model: how much it does, how well, and how full it is."""
    by, silent = ", ".join(_MODEL), _silent(parameters.timing, *matchers)
    every = f"({_telling(*matchers)}\nor {silent})"
    figures: tuple[_Figure, ...] = (
        ("Alerts", alerts.about_each(_MODEL, every, *matchers), "short", _ANY),
        ("Servers", f"count by ({by}) ({every})", "short", None),
        ("Silent", f"count by ({by}) ({silent})\nor 0 * count by ({by}) ({every})", "short", _ANY),
        ("Requests", promql.sum_by(_MODEL, promql.rate(s.REQUESTS, WINDOW, *matchers)), "reqps", None),
        *(_kept(level, parameters, *matchers) for level in levels.LEVELS),
        ("Waiting", promql.sum_by(_MODEL, promql.select(s.REQUESTS_WAITING, *matchers)), "short", None),
        ("Fullest KV", f"max by ({by}) ({promql.select(s.KV_CACHE_USAGE, *matchers)})", "percentunit", None),
    )
    own = Link(title="This model", board="model", variables={v.NAMESPACE: c.K8S_NAMESPACE, v.MODEL: c.MODEL})
    return Table(
        key="models",
        title="Models",
        shows=(
            "Each model: alerts that fire, servers and how many of them do not answer, requests, and the shares of the last "
            "minutes that kept what was promised."
        ),
        worry="a server is silent, or a share is below what was promised.",
        faults=tuple(level.fault for level in levels.LEVELS),
        queries=tuple(Query(expr=v.or_all(expr, c.K8S_NAMESPACE), legend="") for _, expr, _, _ in figures),
        columns=(
            Column(source=c.MODEL, title="Model", width=220, links=(own,)),
            Column(source=c.K8S_NAMESPACE, title="Namespace"),
            *_columns(figures),
            _CLUSTER,
        ),
        width=GRID_WIDTH,
    )


def _silent(timing: Timing, *matchers: str) -> str:
    """Return 1 for each server and model that told something in the last hour, and whose server does not answer any more."""
    known = _telling(*matchers, within=timing.window(_KNOWN_SECONDS))
    # One that was taken away is not told of at all.
    down = f"on ({', '.join((*membership.SERVER, _CLUSTER.source))}) {promql.select(s.SERVER_UP, *matchers)} == 0"
    return f"({known} and {down})"


def _telling(*matchers: str, within: str = "") -> str:
    """Return 1 for each server of each model that tells something: now, or within a range."""
    # Every runtime tells at least one of the two.
    told = (promql.select(s.REQUESTS_RUNNING, *matchers), promql.select(s.REQUESTS, 'outcome="ok"', *matchers))
    running, ended = (f"last_over_time({one}[{within}])" if within else one for one in told)
    return f"group by ({', '.join((*c.SERVER_LABELS, _CLUSTER.source))}) ({running} or {ended})"


def _kept(level: levels.Level, parameters: Parameters, *matchers: str) -> _Figure:
    window = burn.PAGE_BURNS[0].short
    bad, every = (
        promql.sum_by(_MODEL, promql.select(name(window), *matchers))
        for name in (level.recorded.bad_name, level.recorded.all_name)
    )
    targets = {level.target(objective) for objective in parameters.objectives}
    # A column has one limit: where models were promised different things, it would be wrong for some of them.
    promised = Limit(value=targets.pop(), below=True) if len(targets) == 1 else None
    return level.title, f"1 - {bad} / {every}", "percentunit", promised


def nodes(parameters: Parameters, *matchers: str) -> Table:
    """Return one row for each node with GPUs."""
    by, listed = ", ".join(BY_NODE), greatest((*BY_NODE, c.GPU, c.UUID), promql.select(s.GPU_UP, WHOLE, *matchers))
    held = Limit(value=parameters.limits.throttled_time_ratio)
    figures: tuple[_Figure, ...] = (
        ("Alerts", alerts.about_each(BY_NODE, listed, *matchers), "short", _ANY),
        ("GPUs", f"count by ({by}) ({listed})", "short", None),
        ("Silent", promql.sum_by(BY_NODE, f"1 - {listed}"), "short", _ANY),
        ("Hottest", greatest(BY_NODE, promql.select(s.GPU_TEMPERATURE, *matchers)), "celsius", None),
        ("Held down by heat", greatest(BY_NODE, promql.select(THERMAL_SHARE, *matchers)), "percentunit", held),
        ("By the power brake", greatest(BY_NODE, promql.select(BRAKE_SHARE, *matchers)), "percentunit", held),
        ("Power", promql.sum_by(BY_NODE, promql.select(s.GPU_POWER, WHOLE, *matchers)), "watt", None),
        ("Busy", f"avg by ({by}) ({promql.select(s.GPU_UTILIZATION, WHOLE, *matchers)})", "percentunit", None),
    )
    own = Link(title="This node", board="gpu-node", variables={v.NODE: c.HOST_NAME})
    return Table(
        key="nodes",
        title="Nodes with GPUs",
        shows="Each node: alerts that fire, GPUs and how many of them do not answer, and how its GPUs are doing.",
        worry="a GPU is silent, or clocks are held down by heat or by the power brake.",
        faults=("GpuLost", "GpuThermalThrottling", "GpuPowerBrake"),
        empty="without GPUs",
        queries=tuple(Query(expr=expr, legend="") for _, expr, _, _ in figures),
        columns=(Column(source=c.HOST_NAME, title="Node", width=220, links=(own,)), *_columns(figures), _CLUSTER),
        width=GRID_WIDTH,
    )


def _columns(figures: Sequence[_Figure]) -> tuple[Column, ...]:
    return tuple(
        Column(source=f"Value #{letter}", title=title, unit=unit, limit=limit, width=_width(title))
        for letter, (title, _, unit, limit) in zip(ascii_uppercase, figures, strict=False)
    )


def _width(title: str) -> int:
    # Short titles share what is left; long ones would be cut off.
    return 10 * len(title) if len(title) > 10 else 0
